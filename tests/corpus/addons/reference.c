// make(object): a strong reference, deleted again at once.

#include <node_api.h>

static napi_value make(napi_env env, napi_callback_info info) {
  size_t n = 1;
  napi_value object;
  napi_ref reference;
  napi_get_cb_info(env, info, &n, &object, NULL, NULL);
  napi_create_reference(env, object, 1, &reference);
  napi_delete_reference(env, reference);
  return NULL;
}

static napi_value init(napi_env env, napi_value exports) {
  napi_value function;
  napi_create_function(env, "make", NAPI_AUTO_LENGTH, make, NULL, &function);
  napi_set_named_property(env, exports, "make", function);
  return exports;
}

NAPI_MODULE(reference, init)
