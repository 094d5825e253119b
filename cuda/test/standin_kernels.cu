// What a program of its own would launch through the driver; see door_standins_test.cpp.

extern "C" __global__ void axpy(float* y, const float* x, float a, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) y[i] += a * x[i];
}

extern "C" __global__ void beyond(float* x, int n) {
  if (blockIdx.x == gridDim.x - 1 && threadIdx.x == 0) x[n] = 1;
}
