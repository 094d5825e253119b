package dev.fusedrnn.bench.cpu;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.fusedrnn.bench.CheckedSequence;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A line from a child process.
 *
 * @param error what went wrong; null where nothing did
 * @param absent why the engine does not have what was asked for; null where it has
 * @param how of {@link Request.Verb#PREPARE}: what {@link CheckedSequence#how} says
 * @param about of {@link Request.Verb#ABOUT}
 * @param tensors of {@link Request.Verb#RESULTS}: name to elements, in the file's order
 * @param nanos of {@link Request.Verb#RUN}: time of each run
 * @param bytes of {@link Request.Verb#RUN}: Java heap that the runs allocated, all together
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
record Reply(
    @Nullable String error,
    @Nullable String absent,
    @Nullable String how,
    @Nullable Map<String, String> about,
    @Nullable Map<String, Integer> tensors,
    long @Nullable [] nanos,
    @Nullable Long bytes) {

  static final Reply DONE = new Reply(null, null, null, null, null, null, null);

  static Reply error(String message) {
    return new Reply(message, null, null, null, null, null, null);
  }

  static Reply absent(String reason) {
    return new Reply(null, reason, null, null, null, null, null);
  }

  static Reply ready(String how) {
    return new Reply(null, null, how, null, null, null, null);
  }

  static Reply about(Map<String, String> about) {
    return new Reply(null, null, null, about, null, null, null);
  }

  static Reply tensors(Map<String, Integer> tensors) {
    return new Reply(null, null, null, null, tensors, null, null);
  }

  static Reply times(long[] nanos, long bytes) {
    return new Reply(null, null, null, null, null, nanos, bytes);
  }
}
