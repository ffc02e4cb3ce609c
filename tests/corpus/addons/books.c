// mallocInUse(): bytes that glibc has handed out and not got back, in all arenas and mappings.

#include <malloc.h>
#include <node_api.h>

static napi_value malloc_in_use(napi_env env, napi_callback_info info) {
  (void)info;
  struct mallinfo2 books = mallinfo2();
  napi_value bytes;
  napi_create_double(env, (double)(books.uordblks + books.hblkhd), &bytes);
  return bytes;
}

static napi_value init(napi_env env, napi_value exports) {
  napi_value function;
  napi_create_function(env, "mallocInUse", NAPI_AUTO_LENGTH, malloc_in_use, NULL, &function);
  napi_set_named_property(env, exports, "mallocInUse", function);
  return exports;
}

NAPI_MODULE(books, init)
