//! Layouts of real releases, from their metadata as it is.

use super::*;

/// Metadata of 24.21 that the reader of names needs, without what every release has alike.
pub(crate) fn metadata_24() -> BTreeMap<String, i32> {
    [
        ("TaggedSize", 8),
        ("class_Map__instance_type__uint16_t", 12),
        ("class_JSFunction__shared__SharedFunctionInfo", 32),
        ("class_SharedFunctionInfo__name_or_scope_info__Tagged_NameOrScopeInfoT_", 24),
        ("class_SharedFunctionInfo__script__Tagged_HeapObject_", 40),
        ("class_SharedFunctionInfo__flags__int", 56),
        ("class_Script__name__Object", 16),
        ("class_Script__line_ends__Object", 56),
        ("class_BytecodeArray__data__uintptr_t", 64),
        ("class_Code__instruction_start__Address", 40),
        ("class_Code__flags__uint32_t", 52),
        ("class_Code__instruction_size__int", 56),
        ("CodeKindFieldMask", 15),
        ("CodeKindBaseline", 10),
        ("DeoptimizationDataLiteralArrayIndex", 3),
        ("DeoptimizationDataInliningPositionsIndex", 8),
        ("type_SharedFunctionInfo__SHARED_FUNCTION_INFO_TYPE", 282),
        ("type_Script__SCRIPT_TYPE", 167),
        ("type_BytecodeArray__BYTECODE_ARRAY_TYPE", 186),
        ("type_ScopeInfo__SCOPE_INFO_TYPE", 280),
        ("type_Code__CODE_TYPE", 187),
        ("FirstNonstringType", 128),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

#[test]
fn every_item_has_one_source_and_rules_look_back_only() {
    for (at, source) in SOURCES.iter().enumerate() {
        assert!(SOURCES[..at].iter().all(|earlier| earlier.item != source.item), "{:?}", source.item);
        for rule in source.rules {
            assert!(rule.since < rule.before, "{:?}", source.item);
            if let Value::From(item, _) = rule.value {
                assert!(SOURCES[..at].iter().any(|earlier| earlier.item == item), "{:?}", source.item);
            }
        }
        assert!(source.names.iter().all(|name| Objects::wants(name)));
    }
    assert!(!Objects::wants("frametype_NativeFrame"));
}

#[test]
fn what_the_metadata_lacks_follows_from_the_version() {
    let node_24 = Objects::new("13.6.233.28-node.53", &metadata_24()).unwrap();
    for (item, offset) in [
        (Item::FunctionCode, 24),
        (Item::SharedLiteral, 60),
        (Item::ScriptId, 64),
        (Item::BytecodePositions, 24),
        (Item::CodePositions, 16),
        (Item::CodeDeopt, 8),
    ] {
        assert_eq!(node_24.offset(item), offset, "{item:?}");
    }
    assert!(node_24.has_code_table && node_24.scope_begins_with_place && !node_24.code_is_inline);
    assert_eq!(node_24.positions, Positions::Signed);
    let node_26 = Objects::new("14.6.202.34-node.7", &metadata_24()).unwrap();
    assert_eq!(node_26.positions, Positions::Shifted);
}

/// Metadata of 16.20: without kinds of code, deoptimization data and bytecode.
#[test]
fn node_16_is_known_by_a_few_names_and_rules() {
    let mut metadata = metadata_24();
    for gone in [
        "class_BytecodeArray__data__uintptr_t",
        "class_Code__instruction_start__Address",
        "class_Code__flags__uint32_t",
        "class_Code__instruction_size__int",
        "CodeKindFieldMask",
        "CodeKindBaseline",
        "DeoptimizationDataLiteralArrayIndex",
        "DeoptimizationDataInliningPositionsIndex",
    ] {
        metadata.remove(gone);
    }
    let own = [
        ("class_JSFunction__raw_code__CodeT", 48),
        ("class_Code__instruction_start__uintptr_t", 96),
        ("class_Code__instruction_size__int", 40),
    ];
    metadata.extend(own.map(|(name, value)| (name.to_owned(), value)));
    let node_16 = Objects::new("9.4.146.26-node.26", &metadata).unwrap();
    for (item, number) in [
        (Item::FunctionCode, 48),
        (Item::BytecodeData, 54),
        (Item::BytecodePositions, 32),
        (Item::CodeStart, 96),
        (Item::CodeFlags, 48),
        (Item::CodePositions, 24),
        (Item::CodeDeopt, 16),
        (Item::KindMask, 15),
        (Item::KindBaseline, 11),
        (Item::DeoptLiterals, 2),
        (Item::DeoptInlining, 7),
    ] {
        assert_eq!(node_16.number(item), number, "{item:?}");
    }
    assert!(node_16.code_is_inline && !node_16.baseline_has_bytecode() && !node_16.has_code_table);
}

#[test]
fn what_is_not_understood_says_why() {
    let known = metadata_24();
    for (version, change, why) in [
        ("8.4.371.23-node.88", None, "V8 8.4.371.23-node.88, only from 9.4"),
        ("nonsense", None, "V8 nonsense"),
        ("13.6.1.1-node.1", Some(("TaggedSize", Some(4))), "TaggedSize = 4, not 8"),
        ("13.6.1.1-node.1", Some(("FirstNonstringType", None)), "FirstNonstring"),
        // The function's code has a name of its own in 12.
        ("12.4.1.1-node.1", None, "FunctionCode"),
    ] {
        let mut metadata = known.clone();
        if let Some((name, value)) = change {
            metadata.remove(name);
            metadata.extend(value.map(|value| (name.to_owned(), value)));
        }
        let error = Objects::new(version, &metadata).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
