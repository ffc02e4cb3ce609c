/* An addon with ten thousand calls of malloc: fill(rounds) makes each of them so often, and keeps the blocks. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct napi_env__* napi_env;
typedef struct napi_value__* napi_value;
typedef struct napi_callback_info__* napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
extern int napi_get_cb_info(napi_env, napi_callback_info, size_t*, napi_value*, napi_value*, void**);
extern int napi_get_value_int64(napi_env, napi_value, int64_t*);
extern int napi_create_function(napi_env, const char*, size_t, napi_callback, void*, napi_value*);
extern int napi_set_named_property(napi_env, napi_value, const char*, napi_value);

static void* volatile kept;

#define TIMES10(x) x x x x x x x x x x
#define SITE kept = malloc(48);

static napi_value fill(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value value;
  int64_t rounds = 0;
  napi_get_cb_info(env, info, &count, &value, NULL, NULL);
  napi_get_value_int64(env, value, &rounds);
  for (int64_t i = 0; i < rounds; i++) {
    TIMES10(TIMES10(TIMES10(TIMES10(SITE))))
  }
  return NULL;
}

napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  napi_value function;
  napi_create_function(env, "fill", 4, fill, NULL, &function);
  napi_set_named_property(env, exports, "fill", function);
  return exports;
}
