package dev.fusedrnn;

/**
 * What {@link Device#probe()} found out about one backend.
 *
 * @param backend the backend
 * @param available whether {@link Device#open(Backend)} would succeed
 * @param reason empty where available; else why not, and the cure
 * @param description where available, the JSON object of {@link Device#describe()}; else empty
 */
public record BackendStatus(
    Backend backend, boolean available, String reason, String description) {}
