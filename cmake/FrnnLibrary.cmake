# frnn_shared_library(target): what the three shared libraries have in common.
function(frnn_shared_library target)
  set_target_properties(${target} PROPERTIES
    BUILD_RPATH "$ORIGIN" INSTALL_RPATH "$ORIGIN" LINKER_LANGUAGE CXX)
  target_link_options(${target} PRIVATE
    LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map LINKER:--no-undefined LINKER:--exclude-libs,ALL LINKER:--gc-sections)
  if(FRNN_STATIC_RUNTIME)
    # A bundle must run where no C++ runtime is installed, and beside other versions of it.
    target_link_options(${target} PRIVATE -static-libstdc++ -static-libgcc)
  endif()
  install(TARGETS ${target} LIBRARY DESTINATION lib)
endfunction()
