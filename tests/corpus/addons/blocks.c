// take(n): a block of n bytes, written to, that lives until give(): its number. What a native cache or a table does.

#include <node_api.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 20 };
static char *blocks[MOST];
static uint32_t count;

static napi_value take(napi_env env, napi_callback_info info) {
  size_t n = 1;
  napi_value argument, number;
  uint32_t size = 0;
  napi_get_cb_info(env, info, &n, &argument, NULL, NULL);
  napi_get_value_uint32(env, argument, &size);
  char *block = malloc(size);
  if (block != NULL) memset(block, 1, size);
  blocks[count % MOST] = block;
  napi_create_uint32(env, count++ % MOST, &number);
  return number;
}

static napi_value give(napi_env env, napi_callback_info info) {
  size_t n = 1;
  napi_value argument;
  uint32_t number = 0;
  napi_get_cb_info(env, info, &n, &argument, NULL, NULL);
  napi_get_value_uint32(env, argument, &number);
  free(blocks[number % MOST]);
  blocks[number % MOST] = NULL;
  return NULL;
}

static napi_value init(napi_env env, napi_value exports) {
  napi_value function;
  napi_create_function(env, "take", NAPI_AUTO_LENGTH, take, NULL, &function);
  napi_set_named_property(env, exports, "take", function);
  napi_create_function(env, "give", NAPI_AUTO_LENGTH, give, NULL, &function);
  napi_set_named_property(env, exports, "give", function);
  return exports;
}

NAPI_MODULE(blocks, init)
