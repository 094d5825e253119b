# FRNN_SANITIZE=address,undefined instruments every native target; the preset `sanitize` sets it.
# What a sanitizer finds ends the test, so that CTest sees it.
if(FRNN_SANITIZE)
  set(frnn_sanitize_flags -fsanitize=${FRNN_SANITIZE} -fno-sanitize-recover=all
      -fno-omit-frame-pointer -g)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:${frnn_sanitize_flags}>")
  add_link_options(-fsanitize=${FRNN_SANITIZE})
  # An instrumented library needs the sanitizer's runtime, and that needs the shared libstdc++.
  set(FRNN_STATIC_RUNTIME OFF)
endif()
