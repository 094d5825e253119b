# The one list of GPU architectures. `NNa-real` is machine code for that chip with its own
# instructions; `NN-virtual` is PTX, which a driver compiles for any later chip.
#
# The default serves a developer: Hopper, and PTX for what comes after. A release names them all:
#   -DFRNN_CUDA_ARCHITECTURES=80-real,86-real,89-real,90a-real,100-real,120-real,90-virtual
set(FRNN_CUDA_ARCHITECTURES "90a-real;90-virtual"
    CACHE STRING "GPU architectures of the CUDA library, as in CMAKE_CUDA_ARCHITECTURES")
# Commas serve as well: a semicolon is hard to hand through from Maven.
string(REPLACE "," ";" FRNN_CUDA_ARCHITECTURES "${FRNN_CUDA_ARCHITECTURES}")
# Read when CUDA is enabled, which must come after this.
set(CMAKE_CUDA_ARCHITECTURES ${FRNN_CUDA_ARCHITECTURES})
