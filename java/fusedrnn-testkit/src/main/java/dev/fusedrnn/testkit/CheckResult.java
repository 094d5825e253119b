package dev.fusedrnn.testkit;

/**
 * The outcome of a {@link CheckCase}: the tensor that used most of its allowance.
 *
 * @param name of the case
 * @param error worst absolute error of that tensor; NaN where finite and non-finite values meet
 * @param allowed what {@link Tolerance} allows it
 * @param pass whether every tensor of the case is within its allowance
 * @param detail the worst element by coordinates, with the seed that replays it
 */
public record CheckResult(String name, double error, double allowed, boolean pass, String detail) {

  /**
   * A case that could not be run.
   *
   * @param name of the case
   * @param reason what went wrong
   * @return a failed result
   */
  public static CheckResult failed(String name, String reason) {
    return new CheckResult(name, Double.NaN, 0, false, reason);
  }
}
