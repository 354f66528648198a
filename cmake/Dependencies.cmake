# Everything third-party, from the distribution's packages (debian/control lists them).
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
# The release worker is linked statically (SHOAL_STATIC_WORKER), and for that there are only headers.
if(SHOAL_STATIC_WORKER)
  set_target_properties(spdlog::spdlog_header_only PROPERTIES INTERFACE_LINK_LIBRARIES "fmt::fmt-header-only;Threads::Threads")
  set(fmt fmt::fmt-header-only)
  set(spdlog spdlog::spdlog_header_only)
else()
  set(fmt fmt::fmt)
  set(spdlog spdlog::spdlog)
endif()
set(OPENSSL_USE_STATIC_LIBS ${SHOAL_STATIC_WORKER})
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(dw REQUIRED IMPORTED_TARGET libdw)
pkg_check_modules(cap_ng REQUIRED IMPORTED_TARGET libcap-ng)

add_library(tomlplusplus INTERFACE)
target_compile_definitions(tomlplusplus INTERFACE TOML_ENABLE_FORMATTERS=0)

# argon2 has no CMake package, and the worker links it statically.
find_library(ARGON2_STATIC libargon2.a REQUIRED)
find_path(ARGON2_INCLUDE argon2.h REQUIRED)
add_library(argon2 STATIC IMPORTED)
set_target_properties(argon2 PROPERTIES IMPORTED_LOCATION ${ARGON2_STATIC}
  INTERFACE_INCLUDE_DIRECTORIES ${ARGON2_INCLUDE} INTERFACE_LINK_LIBRARIES Threads::Threads)
