package dev.fusedrnn;

/**
 * What a clip measured.
 *
 * @param norm the norm before clipping, of the gradient without the loss scale
 * @param coefficient 1 where norm is at most the limit, else limit / norm
 * @param finite false where any element was NaN or infinite
 * @param skipped whether an optimiser's step does nothing
 */
public record ClipResult(double norm, double coefficient, boolean finite, boolean skipped) {}
