// The element-wise kernels of the unfused loop that the benchmark compares with: one operation
// each, as a program writes them that has cuBLAS and a kernel per operator. Operands are row-major
// blocks [rows, columns] with `ld` elements from row to row, so that one gate of [B, G*H] is such a
// block. One thread an element; outputs may be inputs.

extern "C" {

__device__ inline float unfused_sigmoid(float x) {
  return 1.0f / (1.0f + expf(-x));
}

// Which element a thread has; -1 beyond the last.
#define FRNN_ELEMENT(rows, columns)                                      \
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); \
  if (i >= (rows) * (columns)) return;                                   \
  const int row = i / (columns), column = i % (columns)

__global__ void unfused_add_bias(float* x, int x_ld, const float* bias, int rows, int columns) {
  FRNN_ELEMENT(rows, columns);
  x[row * x_ld + column] += bias[column];
}

__global__ void unfused_copy(float* out, int out_ld, const float* a, int a_ld, int rows,
                             int columns) {
  FRNN_ELEMENT(rows, columns);
  out[row * out_ld + column] = a[row * a_ld + column];
}

__global__ void unfused_apply_sigmoid(float* out, int out_ld, const float* a, int a_ld, int rows,
                                      int columns) {
  FRNN_ELEMENT(rows, columns);
  out[row * out_ld + column] = unfused_sigmoid(a[row * a_ld + column]);
}

__global__ void unfused_apply_tanh(float* out, int out_ld, const float* a, int a_ld, int rows,
                                   int columns) {
  FRNN_ELEMENT(rows, columns);
  out[row * out_ld + column] = tanhf(a[row * a_ld + column]);
}

__global__ void unfused_add(float* out, int out_ld, const float* a, int a_ld, const float* b,
                            int b_ld, int rows, int columns) {
  FRNN_ELEMENT(rows, columns);
  out[row * out_ld + column] = a[row * a_ld + column] + b[row * b_ld + column];
}

__global__ void unfused_subtract(float* out, int out_ld, const float* a, int a_ld, const float* b,
                                 int b_ld, int rows, int columns) {
  FRNN_ELEMENT(rows, columns);
  out[row * out_ld + column] = a[row * a_ld + column] - b[row * b_ld + column];
}

__global__ void unfused_multiply(float* out, int out_ld, const float* a, int a_ld, const float* b,
                                 int b_ld, int rows, int columns) {
  FRNN_ELEMENT(rows, columns);
  out[row * out_ld + column] = a[row * a_ld + column] * b[row * b_ld + column];
}

// out = dy s (1 - s), s the sigmoid's value
__global__ void unfused_sigmoid_gradient(float* out, int out_ld, const float* dy, int dy_ld,
                                         const float* s, int s_ld, int rows, int columns) {
  FRNN_ELEMENT(rows, columns);
  const float value = s[row * s_ld + column];
  out[row * out_ld + column] = dy[row * dy_ld + column] * value * (1.0f - value);
}

// out = dy (1 - t^2), t the hyperbolic tangent's value
__global__ void unfused_tanh_gradient(float* out, int out_ld, const float* dy, int dy_ld,
                                      const float* t, int t_ld, int rows, int columns) {
  FRNN_ELEMENT(rows, columns);
  const float value = t[row * t_ld + column];
  out[row * out_ld + column] = dy[row * dy_ld + column] * (1.0f - value * value);
}

}  // extern "C"
