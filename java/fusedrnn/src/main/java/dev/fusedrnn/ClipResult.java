package dev.fusedrnn;

/**
 * What a global-norm clip measured.
 *
 * @param norm the L2 norm before clipping
 * @param coefficient 1 where norm is at most the limit, else limit / norm
 * @param finite false where any element was NaN or infinite
 */
public record ClipResult(double norm, double coefficient, boolean finite) {}
