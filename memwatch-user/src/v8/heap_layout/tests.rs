//! The layout of Node 24, and what is made of it.

use super::*;
use crate::v8::objects::tests::metadata_24;

/// What the metadata of Node 24 say beyond what functions are read from, as far as it is asked for.
const MORE_24: [(&str, i32); 29] = [
    ("type_Map__MAP_TYPE", 272),
    ("type_WasmArray__WASM_ARRAY_TYPE", 297),
    ("type_FixedArray__FIXED_ARRAY_TYPE", 205),
    ("type_ByteArray__BYTE_ARRAY_TYPE", 217),
    ("FirstContextType", 220),
    ("LastContextType", 229),
    ("type_WeakFixedArray__WEAK_FIXED_ARRAY_TYPE", 256),
    ("type_Symbol__SYMBOL_TYPE", 128),
    ("type_EmbedderDataArray__EMBEDDER_DATA_ARRAY_TYPE", 264),
    ("type_FeedbackVector__FEEDBACK_VECTOR_TYPE", 266),
    ("type_PropertyArray__PROPERTY_ARRAY_TYPE", 277),
    ("type_DescriptorArray__DESCRIPTOR_ARRAY_TYPE", 252),
    ("type_JSAsyncFunctionObject__JS_ASYNC_FUNCTION_OBJECT_TYPE", 2110),
    ("type_JSFunction__JS_FUNCTION_TYPE", 2065),
    ("LastJSFunctionType", 2081),
    ("type_JSArrayBuffer__JS_ARRAY_BUFFER_TYPE", 2062),
    ("type_JSArray__JS_ARRAY_TYPE", 2119),
    ("type_JSMap__JS_MAP_TYPE", 2112),
    ("type_JSWeakMap__JS_WEAK_MAP_TYPE", 2116),
    ("type_JSWeakRef__JS_WEAK_REF_TYPE", 2157),
    ("class_JSFunction__context__Context", 40),
    ("scopeinfo_idx_first_vars", 5),
    ("namedictionary_prefix_start_index", 3),
    ("namedictionaryshape_prefix_size", 3),
    ("class_DescriptorArray__header_size__uintptr_t", 24),
    ("class_JSArrayBuffer__byte_length__size_t", 40),
    ("class_JSArrayBuffer__backing_store__uintptr_t", 56),
    ("prop_location_mask", 32),
    ("prop_index_shift", 19),
];

/// The metadata of Node 24.
fn metadata() -> BTreeMap<String, i32> {
    let more = MORE_24.iter().map(|(name, value)| ((*name).to_owned(), *value));
    metadata_24().into_iter().chain(more).collect()
}

/// The layout of Node 24.
pub(crate) fn layout_24() -> HeapLayout {
    HeapLayout::new("13.6.233.28-node.53", &metadata()).unwrap()
}

#[test]
fn instance_types_have_kinds_by_name_and_by_rule() {
    let layout = layout_24();
    for (instance_type, kind) in [
        (40, Kind::String),
        (128, Kind::Symbol),
        (129, Kind::BigInt),
        (205, Kind::FixedArray),
        (216, Kind::FixedArray),
        (217, Kind::ByteArray),
        (226, Kind::Context),
        (227, Kind::NativeContext),
        (257, Kind::TransitionArray),
        (265, Kind::FeedbackMetadata),
        (267, Kind::Filler),
        (268, Kind::FreeSpace),
        (272, Kind::Map),
        (2057, Kind::JsObject),
        (2065, Kind::JsFunction),
        (2081, Kind::JsFunction),
        (2082, Kind::JsObject),
        (2109, Kind::JsGenerator),
        (2116, Kind::JsWeakMap),
        (u16::MAX, Kind::Other),
    ] {
        assert_eq!(layout.kind(instance_type), kind, "{instance_type}");
    }
    assert!(Kind::JsFunction.is_js_object() && Kind::JsObject.is_js_object() && !Kind::Other.is_js_object());
}

#[test]
fn what_is_not_known_is_refused() {
    let with = |name: &str, value| [(name.to_owned(), value)].into_iter();
    let changed = |name, value| metadata().into_iter().chain(with(name, value)).collect();
    let error = |version, metadata: &BTreeMap<String, i32>| HeapLayout::new(version, metadata).unwrap_err();
    assert_eq!(error("15.1.2.3-node.1", &metadata()), LayoutError::TooNew(15, 1));
    assert!(matches!(error("8.4.2.3-node.1", &metadata()), LayoutError::Objects(UnknownObjects::Version(_))));
    let compressed = error("13.6.2.3-node.1", &changed("TaggedSize", 4));
    assert!(matches!(
        compressed,
        LayoutError::Objects(UnknownObjects::Unexpected { name: "TaggedSize", .. })
    ));
    let moved = error("13.6.2.3-node.1", &changed("class_Symbol__name__Object", 8));
    assert!(matches!(moved, LayoutError::Unexpected { name: "class_Symbol__name__Object", found: 8, .. }));
    let mut lacking = metadata();
    lacking.remove("FirstContextType");
    assert_eq!(error("13.6.2.3-node.1", &lacking), LayoutError::Missing("FirstContextType"));
}

#[test]
fn objects_end_where_their_length_says_and_never_behind_their_page() {
    let layout = layout_24();
    let smi = |value: u64| value << 32;
    let extent = |instance_type: u16, first: u64, words: usize| {
        let fields = MapFields {
            instance_type,
            kind: layout.kind(instance_type),
            words: 0,
            first_property: 0,
            bits: (0, 0, 0),
        };
        let mut all = vec![0; words];
        all[1] = first;
        layout.extent(&fields, &all).map(|extent| (extent.words, extent.references))
    };
    for (instance_type, first, expected) in [
        (205, smi(3), (5, 5)),
        (217, smi(9), (4, 1)),
        (40, smi(9), (4, 1)),
        (32, smi(9), (5, 1)),
        (129, 4, (4, 1)),
        (227, smi(10), (13, 9)),
        (252, 2, (9, 9)),
        (266, 2, (8, 8)),
        (265, 7 | smi(3), (4, 1)),
        (268, smi(11), (11, 1)),
        (277, smi(0xc05), (7, 7)),
        (205, smi(0x7fff_ffff), (20, 20)),
        (40, u64::MAX, (20, 1)),
        (252, u64::MAX, (20, 20)),
        (186, u64::MAX, (20, 6)),
    ] {
        assert_eq!(extent(instance_type, first, 20), Some(expected), "{instance_type} {first:#x}");
    }
    assert_eq!(extent(280, smi(1), 20), None, "a scope ends where the next object begins");
}
