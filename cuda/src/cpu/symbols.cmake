# A function that the linker may take from any unit (an inline function or a template outside the
# unit's own namespace) must not be compiled for a wide instruction set: the portable path could end
# up calling it. cmake -DNM=nm -DISA=avx2 -DOBJECTS=a.o;b.o -P symbols.cmake
foreach(object ${OBJECTS})
  execute_process(COMMAND ${NM} -C --defined-only ${object} OUTPUT_VARIABLE symbols
                  RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "${NM} ${object}: ${failed}")
  endif()
  string(REPLACE ";" " " symbols "${symbols}")
  string(REPLACE "\n" ";" symbols "${symbols}")
  foreach(symbol ${symbols})
    if(symbol MATCHES " [TWVuB] " AND NOT symbol MATCHES "frnn::cpu::${ISA}::")
      message(SEND_ERROR "${object} defines, for ${ISA} alone: ${symbol}")
    endif()
  endforeach()
endforeach()
