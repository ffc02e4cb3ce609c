//! Which instance type is what: by the names in V8's metadata, and by rules for types that have none.

use std::collections::BTreeMap;

use super::{LayoutError, Version};

/// What an object is, as far as its size, its references and its name depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A string, whatever its representation.
    String,
    /// A symbol, a private name among them.
    Symbol,
    /// A large integer.
    BigInt,
    /// A number on the heap.
    HeapNumber,
    /// `undefined`, `null`, `true`, `false`; a hole.
    Oddball,
    /// A map: what V8 calls the hidden class of objects.
    Map,
    /// An array of references: elements, hash tables, dictionaries, descriptions.
    FixedArray,
    /// An array that holds its elements weakly.
    WeakFixedArray,
    /// Transitions from a map to others, held weakly.
    TransitionArray,
    /// A growing array of weak references.
    WeakArrayList,
    /// A growing array, where it is no `FixedArray` (22 on).
    ArrayList,
    /// A description of a literal: an array with one more field (22 on).
    ObjectBoilerplateDescription,
    /// The contexts of scripts, where they are no `FixedArray` (22 on).
    ScriptContextTable,
    /// Elements of `arguments` in sloppy mode.
    SloppyArgumentsElements,
    /// What the last regular expression matched (22 on).
    RegExpMatchInfo,
    /// Numbers as elements.
    FixedDoubleArray,
    /// Bytes, trusted or not.
    ByteArray,
    /// Bytecode.
    BytecodeArray,
    /// Properties that found no place in their object.
    PropertyArray,
    /// The properties that a map describes.
    DescriptorArray,
    /// What the interpreter has learned about a function.
    FeedbackVector,
    /// How a feedback vector is laid out.
    FeedbackMetadata,
    /// Where a closure's feedback is.
    FeedbackCell,
    /// The variables of a scope.
    Context,
    /// The context that holds the builtins of a realm.
    NativeContext,
    /// Names of the variables of a scope.
    ScopeInfo,
    /// What closures of one function literal share.
    SharedFunctionInfo,
    /// A script.
    Script,
    /// Metadata of code; to V8 11 the code itself.
    Code,
    /// Instructions (11 on).
    InstructionStream,
    /// What the pre-parser found out.
    PreparseData,
    /// One or two unused words.
    Filler,
    /// Unused memory.
    FreeSpace,
    /// The value of a global variable.
    PropertyCell,
    /// The value of a variable of a module.
    Cell,
    /// What is to happen when a promise settles.
    PromiseReaction,
    /// A module.
    SourceTextModule,
    /// A getter and a setter.
    AccessorPair,
    /// Where a literal was allocated.
    AllocationSite,
    /// A weak reference of a `FinalizationRegistry`.
    WeakCell,
    /// A native pointer.
    Foreign,
    /// A function of JavaScript or of V8.
    JsFunction,
    /// The result of `bind`.
    JsBoundFunction,
    /// An array.
    JsArray,
    /// An array buffer, shared ones among them.
    JsArrayBuffer,
    /// A typed array.
    JsTypedArray,
    /// A data view.
    JsDataView,
    /// A `Map`.
    JsMap,
    /// A `Set`.
    JsSet,
    /// A `WeakMap`.
    JsWeakMap,
    /// A `WeakSet`.
    JsWeakSet,
    /// A `WeakRef`.
    JsWeakRef,
    /// A `FinalizationRegistry`.
    JsFinalizationRegistry,
    /// A promise.
    JsPromise,
    /// A running or suspended generator.
    JsGenerator,
    /// A running or suspended async function.
    JsAsyncFunction,
    /// A running or suspended async generator.
    JsAsyncGenerator,
    /// A regular expression.
    JsRegExp,
    /// A date.
    JsDate,
    /// An error.
    JsError,
    /// A proxy.
    JsProxy,
    /// A global object.
    JsGlobalObject,
    /// The proxy that stands for a global object.
    JsGlobalProxy,
    /// A namespace of a module.
    JsModuleNamespace,
    /// Any other object of JavaScript.
    JsObject,
    /// Whatever else there is.
    Other,
}

impl Kind {
    /// Whether JavaScript sees it as an object.
    #[must_use]
    pub fn is_js_object(self) -> bool {
        (Self::JsFunction..=Self::JsObject).contains(&self)
    }
}

/// Kinds by instance type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kinds(Vec<Kind>);

/// Instance types that are looked up; the highest of any version is 2 167 (`LAST_TYPE`, Node 26).
const TYPES: usize = 4096;

/// Types by the names that the metadata ends in.
const NAMED: &[(&str, Kind)] = &[
    ("SYMBOL_TYPE", Kind::Symbol),
    ("HEAP_NUMBER_TYPE", Kind::HeapNumber),
    ("ODDBALL_TYPE", Kind::Oddball),
    ("HOLE_TYPE", Kind::Oddball),
    ("MAP_TYPE", Kind::Map),
    ("WEAK_FIXED_ARRAY_TYPE", Kind::WeakFixedArray),
    ("TRUSTED_WEAK_FIXED_ARRAY_TYPE", Kind::WeakFixedArray),
    ("PROTECTED_WEAK_FIXED_ARRAY_TYPE", Kind::WeakFixedArray),
    ("TRUSTED_FIXED_ARRAY_TYPE", Kind::FixedArray),
    ("PROTECTED_FIXED_ARRAY_TYPE", Kind::FixedArray),
    ("CLOSURE_FEEDBACK_CELL_ARRAY_TYPE", Kind::FixedArray),
    ("EMBEDDER_DATA_ARRAY_TYPE", Kind::FixedArray),
    ("WEAK_ARRAY_LIST_TYPE", Kind::WeakArrayList),
    ("DEPENDENT_CODE_TYPE", Kind::WeakArrayList),
    ("ARRAY_LIST_TYPE", Kind::ArrayList),
    ("OBJECT_BOILERPLATE_DESCRIPTION_TYPE", Kind::ObjectBoilerplateDescription),
    ("SCRIPT_CONTEXT_TABLE_TYPE", Kind::ScriptContextTable),
    ("SLOPPY_ARGUMENTS_ELEMENTS_TYPE", Kind::SloppyArgumentsElements),
    ("REG_EXP_MATCH_INFO_TYPE", Kind::RegExpMatchInfo),
    ("FIXED_DOUBLE_ARRAY_TYPE", Kind::FixedDoubleArray),
    ("BYTE_ARRAY_TYPE", Kind::ByteArray),
    ("TRUSTED_BYTE_ARRAY_TYPE", Kind::ByteArray),
    ("BYTECODE_ARRAY_TYPE", Kind::BytecodeArray),
    ("PROPERTY_ARRAY_TYPE", Kind::PropertyArray),
    ("DESCRIPTOR_ARRAY_TYPE", Kind::DescriptorArray),
    ("STRONG_DESCRIPTOR_ARRAY_TYPE", Kind::DescriptorArray),
    ("FEEDBACK_VECTOR_TYPE", Kind::FeedbackVector),
    ("FEEDBACK_CELL_TYPE", Kind::FeedbackCell),
    ("SCOPE_INFO_TYPE", Kind::ScopeInfo),
    ("SHARED_FUNCTION_INFO_TYPE", Kind::SharedFunctionInfo),
    ("SCRIPT_TYPE", Kind::Script),
    ("CODE_TYPE", Kind::Code),
    ("INSTRUCTION_STREAM_TYPE", Kind::InstructionStream),
    ("PREPARSE_DATA_TYPE", Kind::PreparseData),
    ("PROPERTY_CELL_TYPE", Kind::PropertyCell),
    ("CELL_TYPE", Kind::Cell),
    ("PROMISE_REACTION_TYPE", Kind::PromiseReaction),
    ("SOURCE_TEXT_MODULE_TYPE", Kind::SourceTextModule),
    ("ACCESSOR_PAIR_TYPE", Kind::AccessorPair),
    ("ALLOCATION_SITE_TYPE", Kind::AllocationSite),
    ("WEAK_CELL_TYPE", Kind::WeakCell),
    ("FOREIGN_TYPE", Kind::Foreign),
    ("TRUSTED_FOREIGN_TYPE", Kind::Foreign),
    ("JS_BOUND_FUNCTION_TYPE", Kind::JsBoundFunction),
    ("JS_ARRAY_TYPE", Kind::JsArray),
    ("JS_ARRAY_BUFFER_TYPE", Kind::JsArrayBuffer),
    ("JS_TYPED_ARRAY_TYPE", Kind::JsTypedArray),
    ("JS_DATA_VIEW_TYPE", Kind::JsDataView),
    ("JS_RAB_GSAB_DATA_VIEW_TYPE", Kind::JsDataView),
    ("JS_MAP_TYPE", Kind::JsMap),
    ("JS_SET_TYPE", Kind::JsSet),
    ("JS_WEAK_MAP_TYPE", Kind::JsWeakMap),
    ("JS_WEAK_SET_TYPE", Kind::JsWeakSet),
    ("JS_WEAK_REF_TYPE", Kind::JsWeakRef),
    ("JS_FINALIZATION_REGISTRY_TYPE", Kind::JsFinalizationRegistry),
    ("JS_PROMISE_TYPE", Kind::JsPromise),
    ("JS_ASYNC_FUNCTION_OBJECT_TYPE", Kind::JsAsyncFunction),
    ("JS_ASYNC_GENERATOR_OBJECT_TYPE", Kind::JsAsyncGenerator),
    ("JS_REG_EXP_TYPE", Kind::JsRegExp),
    ("JS_DATE_TYPE", Kind::JsDate),
    ("JS_ERROR_TYPE", Kind::JsError),
    ("JS_PROXY_TYPE", Kind::JsProxy),
    ("JS_GLOBAL_OBJECT_TYPE", Kind::JsGlobalObject),
    ("JS_GLOBAL_PROXY_TYPE", Kind::JsGlobalProxy),
    ("JS_MODULE_NAMESPACE_TYPE", Kind::JsModuleNamespace),
    ("JS_DEFERRED_MODULE_NAMESPACE_TYPE", Kind::JsModuleNamespace),
];

/// Types that come right behind one that has a name (`src/objects/instance-type.h` as generated; 9.4 to 14.6).
const BEHIND: &[(&str, u16, Kind)] = &[
    ("WEAK_FIXED_ARRAY_TYPE", 1, Kind::TransitionArray),
    ("SYMBOL_TYPE", 1, Kind::BigInt),
    ("EMBEDDER_DATA_ARRAY_TYPE", 1, Kind::FeedbackMetadata),
    ("FEEDBACK_VECTOR_TYPE", 1, Kind::Filler),
    ("FEEDBACK_VECTOR_TYPE", 2, Kind::FreeSpace),
];

/// The last type of a function above `JS_FUNCTION_TYPE`, where the metadata has no `LastJSFunctionType`: constructors of
/// eleven typed arrays, of Array, Promise, RegExp, and classes; one more in 10 and 11 (measured: with 14 the
/// constructors of classes are missing).
const FUNCTION_TYPES: i32 = 16;
const FUNCTION_TYPES_9: i32 = 15;

impl Kinds {
    /// By `metadata` (names without `v8dbg_`).
    pub(super) fn new(version: Version, metadata: &BTreeMap<String, i32>) -> Result<Self, LayoutError> {
        let types = types(metadata);
        let named = |name: &'static str| types.get(name).copied().ok_or(LayoutError::Missing(name));
        let number = |name: &'static str| metadata.get(name).copied().ok_or(LayoutError::Missing(name));
        let mut kinds = Self(vec![Kind::Other; TYPES]);
        kinds.fill(0, number("FirstNonstringType")? - 1, Kind::String);
        // Objects of WebAssembly come first among what JavaScript sees as an object.
        kinds.fill(named("WASM_ARRAY_TYPE")?, to_i32(TYPES) - 1, Kind::JsObject);
        kinds.fill(named("FIXED_ARRAY_TYPE")?, named("BYTE_ARRAY_TYPE")? - 1, Kind::FixedArray);
        kinds.fill(number("FirstContextType")?, number("LastContextType")?, Kind::Context);
        // `AWAIT`, `BLOCK`, `CATCH`, `DEBUG_EVALUATE`, `EVAL`, `FUNCTION` and `MODULE_CONTEXT_TYPE` come before it.
        let native = number("FirstContextType")? + 7;
        kinds.fill(native, native, Kind::NativeContext);
        for (name, distance, kind) in BEHIND {
            let at = named(name)? + i32::from(*distance);
            kinds.fill(at, at, *kind);
        }
        for (name, kind) in NAMED {
            if let Some(at) = types.get(name).copied() {
                kinds.fill(at, at, *kind);
            }
        }
        // `JS_GENERATOR_OBJECT_TYPE` comes before the two that extend it.
        let generator = named("JS_ASYNC_FUNCTION_OBJECT_TYPE")? - 1;
        kinds.fill(generator, generator, Kind::JsGenerator);
        let function = named("JS_FUNCTION_TYPE")?;
        let last = if version < (10, 0) { FUNCTION_TYPES_9 } else { FUNCTION_TYPES };
        let last = metadata.get("LastJSFunctionType").copied().unwrap_or(function + last);
        kinds.fill(function, last, Kind::JsFunction);
        Ok(kinds)
    }

    /// The kind of an instance type.
    pub(super) fn of(&self, instance_type: u16) -> Kind {
        self.0.get(usize::from(instance_type)).copied().unwrap_or(Kind::Other)
    }

    fn fill(&mut self, first: i32, last: i32, kind: Kind) {
        let index = |of: i32| usize::try_from(of).unwrap_or(TYPES).min(TYPES);
        if let Some(range) = self.0.get_mut(index(first)..index(last.saturating_add(1))) {
            range.fill(kind);
        }
    }
}

fn to_i32(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Instance types by V8's names for them: `type_Map__MAP_TYPE` says the value of `MAP_TYPE`.
fn types<'a>(metadata: &'a BTreeMap<String, i32>) -> BTreeMap<&'a str, i32> {
    let name = |name: &'a String| Some(name.strip_prefix("type_")?.split_once("__")?.1);
    metadata.iter().filter_map(|(key, value)| Some((name(key)?, *value))).collect()
}
