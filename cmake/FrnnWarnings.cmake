# Warnings are errors in both compilers. `frnn_warnings` is linked by every target of this project.
add_library(frnn_warnings INTERFACE)
target_compile_options(frnn_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Werror>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Werror;--Werror=all-warnings>)
