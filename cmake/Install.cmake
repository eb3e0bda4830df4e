# What `cmake --install` lays out: programs, the embedded model beside them, and the libraries of
# LibTorch that Debian does not ship. The container image is made of it.
include(GNUInstallDirs)

install(TARGETS scanserve-server scanctl scanorder RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY models/scanserve-6m DESTINATION ${CMAKE_INSTALL_DATADIR}/scanserve/models)

set(SCANSERVE_LIBTORCH_INSTALL_DIR lib/scanserve)
set_target_properties(scanserve-server PROPERTIES
  INSTALL_RPATH "$ORIGIN/../${SCANSERVE_LIBTORCH_INSTALL_DIR}")
foreach(library libtorch_cpu.so libc10.so libgomp.so.1 libcudart.so.13 libcupti.so.13)
  foreach(folder IN LISTS libtorch_library_folders)
    if(EXISTS ${folder}/${library})
      install(PROGRAMS ${folder}/${library} DESTINATION ${SCANSERVE_LIBTORCH_INSTALL_DIR})
      break()
    endif()
  endforeach()
endforeach()
