# Makes the bundle: a folder and a tar.gz with a Java runtime, the jars, and a command.
#   cmake -DROOT=<checkout> -DJARS=<folder of jars> -DOUT=<folder> -DVERSION=<version>
#         -DJAVA_HOME=<jdk> -P bundle.cmake
cmake_minimum_required(VERSION 3.25)

cmake_host_system_information(RESULT machine QUERY OS_PLATFORM)
set(name fusedrnn-${VERSION}-linux-${machine})
set(bundle ${OUT}/${name})
file(REMOVE_RECURSE ${bundle})
file(MAKE_DIRECTORY ${bundle}/lib ${bundle}/bin)

# The runtime: what the jars ask for (jdeps), and no compiler, desktop or debugger.
#   java.logging          jline, which draws the progress bar
#   java.management       JMH; jdk.management for the bytes that a thread allocates
#   jdk.unsupported       sun.misc.Unsafe, for JMH and JavaCPP
set(modules java.base,java.logging,java.management,jdk.management,jdk.unsupported)
execute_process(COMMAND ${JAVA_HOME}/bin/java -XshowSettings:properties -version
                ERROR_VARIABLE settings OUTPUT_QUIET)
string(REGEX MATCH "java\\.specification\\.version = ([0-9]+)" found "${settings}")
set(jdk ${CMAKE_MATCH_1})
if(jdk GREATER_EQUAL 21)
  set(compress zip-9)
else()
  set(compress 2)
endif()
set(native_access "")
if(jdk GREATER_EQUAL 22)
  set(native_access "--enable-native-access=ALL-UNNAMED")
endif()
set(strip --strip-java-debug-attributes)
find_program(objcopy objcopy)
if(objcopy)
  list(APPEND strip --strip-native-debug-symbols=exclude-debuginfo-files)
endif()
execute_process(
  COMMAND ${JAVA_HOME}/bin/jlink --add-modules ${modules} --output ${bundle}/runtime
          --no-header-files --no-man-pages --compress=${compress} --vm=server ${strip}
  RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "fusedrnn: jlink of ${JAVA_HOME} failed (${result}); it belongs to a full JDK "
                      "(Debian: openjdk-17-jdk-headless)")
endif()

file(GLOB jars ${JARS}/*.jar)
file(COPY ${jars} DESTINATION ${bundle}/lib)
configure_file(${ROOT}/bundle/src/bin/fusedrnn ${bundle}/bin/fusedrnn @ONLY)
file(CHMOD ${bundle}/bin/fusedrnn PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
     GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
file(COPY ${ROOT}/LICENSE ${ROOT}/README.md DESTINATION ${bundle})
file(COPY ${ROOT}/bench/gpu DESTINATION ${bundle}/bench)
set(micro ${ROOT}/java/fusedrnn/target/native/install/bin/fusedrnn-micro) # there with nvcc alone
if(EXISTS ${micro})
  file(COPY ${micro} DESTINATION ${bundle}/bin)
endif()

# What others wrote: each jar's own licence texts, those of jars that carry none, and where the
# runtime keeps its.
set(licences ${bundle}/licenses)
file(COPY ${ROOT}/bundle/src/licenses/ DESTINATION ${licences})
file(COPY_FILE ${ROOT}/LICENSE ${licences}/Apache-2.0.txt)
set(notice "The jars in lib/ that do not begin with fusedrnn, and the Java runtime in runtime/, are\n")
string(APPEND notice "the work of others. Their licences lie here and in runtime/legal/.\n\n")
foreach(jar IN LISTS jars)
  get_filename_component(jar_name ${jar} NAME_WLE)
  if(jar_name MATCHES "^fusedrnn")
    continue()
  endif()
  set(unpacked ${OUT}/unpacked)
  file(REMOVE_RECURSE ${unpacked})
  file(ARCHIVE_EXTRACT INPUT ${jar} DESTINATION ${unpacked})
  file(GLOB texts ${unpacked}/LICENSE* ${unpacked}/NOTICE* ${unpacked}/META-INF/LICENSE*
       ${unpacked}/META-INF/NOTICE*)
  foreach(text IN LISTS texts)
    if(NOT IS_DIRECTORY ${text})
      get_filename_component(text_name ${text} NAME)
      file(COPY_FILE ${text} ${licences}/${jar_name}-${text_name})
    endif()
  endforeach()
  unset(licence)
  if(jar_name MATCHES "^(javacpp|jackson|picocli|jspecify|xchart)")
    set(licence "Apache-2.0")
  elseif(jar_name MATCHES "^progressbar|^jopt-simple")
    set(licence "MIT")
  elseif(jar_name MATCHES "^jline|^protobuf")
    set(licence "BSD-3-Clause")
  elseif(jar_name MATCHES "^commons-math")
    set(licence "Apache-2.0")
  elseif(jar_name MATCHES "^jmh")
    set(licence "GPL-2.0 with the Classpath Exception")
  endif()
  if(NOT licence)
    message(FATAL_ERROR "fusedrnn: ${jar_name}.jar is new here; name its licence in bundle.cmake")
  endif()
  string(APPEND notice "${jar_name}: ${licence}\n")
endforeach()
file(REMOVE_RECURSE ${OUT}/unpacked)
string(APPEND notice "\nLinked into the native libraries: libstdc++ and libgcc, GPL-3.0 with the GCC Runtime "
       "Library\nException; in libfusedrnn_cuda.so, where it is there, the CUDA runtime, under NVIDIA's "
       "CUDA EULA.\n")
file(WRITE ${licences}/README "${notice}")

# One order and one date for all files, so that the same inputs give the same bytes.
execute_process(
  COMMAND tar -C ${OUT} --sort=name --mtime=2026-11-20T00:00:00Z --owner=0 --group=0
          --numeric-owner -cf - ${name}
  COMMAND gzip -n -9
  OUTPUT_FILE ${OUT}/${name}.tar.gz RESULTS_VARIABLE results)
if(NOT results STREQUAL "0;0")
  message(FATAL_ERROR "fusedrnn: tar or gzip failed (${results})")
endif()
file(GLOB_RECURSE all ${bundle}/*)
set(folder_bytes 0)
foreach(file IN LISTS all)
  file(SIZE ${file} bytes)
  math(EXPR folder_bytes "${folder_bytes} + ${bytes}")
endforeach()
file(SIZE ${OUT}/${name}.tar.gz archive_bytes)
math(EXPR folder_mb "(${folder_bytes} + 999999) / 1000000")
math(EXPR archive_mb "(${archive_bytes} + 999999) / 1000000")
message(STATUS "fusedrnn: bundle ${bundle}: ${folder_mb} MB, ${name}.tar.gz: ${archive_mb} MB")
if(folder_mb GREATER 60)
  message(FATAL_ERROR "fusedrnn: the bundle is larger than the 60 MB that it is allowed")
endif()
