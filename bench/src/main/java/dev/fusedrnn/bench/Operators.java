package dev.fusedrnn.bench;

/**
 * What the unfused loop is written with: a library's matrix products, and one element-wise
 * operation at a time. Each method prepares an operation over memory that does not move, and
 * answers what runs it; so a loop is a list of them, and running it costs no more than it must.
 */
abstract class Operators implements AutoCloseable {
  /** Floats that one of these operators allocated; each kind knows its own. */
  interface Tensor {}

  /** Operations on one operand. */
  enum Unary {
    /** out = a. */
    COPY,
    /** out = 1 / (1 + exp(-a)). */
    SIGMOID,
    /** out = tanh(a). */
    TANH
  }

  /** Operations on two operands. */
  enum Binary {
    /** out = a + b. */
    ADD,
    /** out = a - b. */
    SUBTRACT,
    /** out = a b. */
    MULTIPLY,
    /** out = a b (1 - b), with b a sigmoid's value and a its gradient. */
    SIGMOID_GRADIENT,
    /** out = a (1 - b^2), with b a hyperbolic tangent's value and a its gradient. */
    TANH_GRADIENT
  }

  /**
   * A row-major matrix in a tensor.
   *
   * @param tensor where
   * @param offset first element
   * @param stride elements from row to row
   * @param rows how many
   * @param columns how many
   */
  record Block(Tensor tensor, int offset, int stride, int rows, int columns) {
    Block columns(int first, int count) {
      return new Block(tensor, offset + first, stride, rows, count);
    }

    Block rows(int first, int count) {
      return new Block(tensor, offset + first * stride, stride, count, columns);
    }
  }

  /** A dense matrix of its own. */
  final Block matrix(int rows, int columns) {
    return new Block(tensor(Math.multiplyExact(rows, columns)), 0, columns, rows, columns);
  }

  abstract Tensor tensor(int floats);

  /** Writes the beginning of a tensor, or all of it. */
  abstract void write(Tensor tensor, int offset, float[] values);

  abstract float[] read(Tensor tensor, int offset, int count);

  abstract Runnable apply(Unary operation, Block out, Block a);

  abstract Runnable apply(Binary operation, Block out, Block a, Block b);

  /** x[row, column] += bias[column]. */
  abstract Runnable addBias(Block x, Block bias);

  /** out[m, n] = a[m, k] w[n, k]^T, or += it. */
  abstract Runnable product(Block out, Block a, Block w, boolean add);

  /** dx[m, k] = dy[m, n] w[n, k], or += it. */
  abstract Runnable inputGradient(Block dx, Block dy, Block w, boolean add);

  /** dw[n, k] = dy[m, n]^T x[m, k]. */
  abstract Runnable weightGradient(Block dw, Block dy, Block x);

  /** out[1, n] = the sum of the rows of dy[m, n]. */
  abstract Runnable columnSums(Block out, Block dy);

  abstract void synchronize();

  /** Who computes, for messages. */
  abstract String who();

  @Override
  public abstract void close();
}
