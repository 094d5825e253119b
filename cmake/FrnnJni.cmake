# The JNI library. JavaCPP reads the compiled class of the natives and writes the C++ of the
# crossing; this file compiles it. Maven sets the four variables, because it alone knows them;
# without them the native build runs alone and leaves the JNI library out.
set(FRNN_JAVA_HOME "" CACHE PATH "The JDK whose jni.h is used and whose java runs JavaCPP")
set(FRNN_JAVA_CLASSES "" CACHE PATH "Folder of the compiled Java classes")
set(FRNN_JAVACPP_JAR "" CACHE FILEPATH "The jar of org.bytedeco:javacpp")
set(FRNN_JAVA_NATIVES "dev.fusedrnn.internal.Natives" CACHE STRING "The class that declares the natives")

string(REPLACE "." "/" frnn_natives_path "${FRNN_JAVA_NATIVES}")
set(frnn_natives_class "${FRNN_JAVA_CLASSES}/${frnn_natives_path}.class")

if(TARGET fusedrnn AND EXISTS ${frnn_natives_class})
  set(frnn_jni_dir ${CMAKE_BINARY_DIR}/jni)
  set(frnn_jni_sources ${frnn_jni_dir}/jnijavacpp.cpp ${frnn_jni_dir}/jnifusedrnn.cpp)
  add_custom_command(
    OUTPUT ${frnn_jni_sources}
    COMMAND ${FRNN_JAVA_HOME}/bin/java -cp "${FRNN_JAVACPP_JAR}:${FRNN_JAVA_CLASSES}"
            org.bytedeco.javacpp.tools.Builder -classpath ${FRNN_JAVA_CLASSES} -nocompile
            -d ${frnn_jni_dir} -o jnifusedrnn ${FRNN_JAVA_NATIVES}
    DEPENDS ${frnn_natives_class} ${FRNN_JAVACPP_JAR}
    COMMENT "JavaCPP: the JNI of ${FRNN_JAVA_NATIVES}"
    VERBATIM)
  add_library(jnifusedrnn SHARED ${frnn_jni_sources})
  # Not frnn_warnings: the generated code is not ours to mend.
  target_include_directories(jnifusedrnn SYSTEM PRIVATE
                             ${FRNN_JAVA_HOME}/include ${FRNN_JAVA_HOME}/include/linux)
  target_link_libraries(jnifusedrnn PRIVATE fusedrnn ${CMAKE_DL_LIBS})
  frnn_shared_library(jnifusedrnn)
endif()
