# scanserve_libtorch: the CPU part of LibTorch, from LIBTORCH_ROOT (a folder with include/ and lib/:
# what scripts/setup unpacks, an official LibTorch, or the torch folder of a Python package).
set(LIBTORCH_ROOT "$ENV{LIBTORCH_ROOT}" CACHE PATH "Folder of LibTorch, with include/ and lib/")
set(libtorch_root "${LIBTORCH_ROOT}")
if(NOT libtorch_root)
  # Where scripts/setup puts it.
  set(libtorch_cache "$ENV{XDG_CACHE_HOME}")
  if(NOT libtorch_cache)
    set(libtorch_cache "$ENV{HOME}/.cache")
  endif()
  set(libtorch_root "${libtorch_cache}/scanserve/libtorch-2.11.0")
endif()
if(NOT EXISTS "${libtorch_root}/lib/libtorch_cpu.so" OR NOT EXISTS "${libtorch_root}/lib/libc10.so"
   OR NOT EXISTS "${libtorch_root}/include/ATen/ATen.h")
  message(FATAL_ERROR "There is no LibTorch (include/ATen/ATen.h, lib/libtorch_cpu.so, lib/libc10.so) "
    "in '${libtorch_root}': run scripts/setup or set LIBTORCH_ROOT.")
endif()

# libtorch_cpu.so of the Python package needs NVIDIA's runtime and profiling libraries. They stand
# beside it, or in the packages next to it.
set(libtorch_library_folders "${libtorch_root}/lib")
file(GLOB libtorch_nvidia_folders "${libtorch_root}/../nvidia/cu*/lib"
  "${libtorch_root}/../nvidia/cuda_*/lib")
list(APPEND libtorch_library_folders ${libtorch_nvidia_folders})

add_library(scanserve_libtorch INTERFACE)
# LibTorch's folder also holds a fmt and a google/protobuf of its own: Debian's come first.
target_compile_options(scanserve_libtorch INTERFACE
  "SHELL:-idirafter ${libtorch_root}/include"
  "SHELL:-idirafter ${libtorch_root}/include/torch/csrc/api/include")
target_compile_definitions(scanserve_libtorch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
target_link_libraries(scanserve_libtorch INTERFACE
  "${libtorch_root}/lib/libtorch_cpu.so" "${libtorch_root}/lib/libc10.so")
# The linker looks there too. At run time libtorch_cpu.so finds them by its own run path.
foreach(folder IN LISTS libtorch_library_folders)
  target_link_options(scanserve_libtorch INTERFACE "LINKER:-rpath-link,${folder}")
endforeach()
