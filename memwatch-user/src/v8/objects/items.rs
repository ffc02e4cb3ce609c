//! What has to be known of V8's objects, and where each piece comes from: the metadata that V8 exports for debuggers
//! (`v8dbg_*` in .dynsym, written by its `tools/gen-postmortem-metadata.py`; survives stripping), else a rule for a
//! range of versions. Every rule was exercised on Node 16.20, 18.20, 20.20, 22.23, 24.21, 25.9 and 26.10.

use serde::{Deserialize, Serialize};

/// `major.minor` of V8.
pub(crate) type Version = (u32, u32);

/// One piece of knowledge. Offsets count from an untagged address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// `Map`: instance type.
    MapType,
    /// `JSFunction`: its `SharedFunctionInfo`.
    FunctionShared,
    /// `JSFunction`: its `Code`, from V8 13 on its handle in the table of code.
    FunctionCode,
    /// `SharedFunctionInfo`: name or `ScopeInfo`.
    SharedName,
    /// `SharedFunctionInfo`: what it runs: bytecode, or in V8 9 a `BaselineData` of baseline code and bytecode.
    SharedData,
    /// `BaselineData`: its bytecode (V8 9).
    BaselineBytecode,
    /// `SharedFunctionInfo`: its `Script`.
    SharedScript,
    /// `SharedFunctionInfo`: flags.
    SharedFlags,
    /// `SharedFunctionInfo`: number of the function within its script.
    SharedLiteral,
    /// `Script`: the text.
    ScriptSource,
    /// `Script`: its name, mostly a path or URL.
    ScriptName,
    /// `Script`: line of its first line within what it is a part of.
    ScriptLineOffset,
    /// `Script`: where lines end, if that was computed.
    ScriptLineEnds,
    /// `Script`: its number within the isolate.
    ScriptId,
    /// `BytecodeArray`: the first bytecode.
    BytecodeData,
    /// `BytecodeArray`: table from bytecodes to places in the source.
    BytecodePositions,
    /// `Code`: address of its first instruction, or that instruction itself (V8 9 and 10).
    CodeStart,
    /// `Code`: flags, the kind among them.
    CodeFlags,
    /// `Code`: bytes of instructions.
    CodeSize,
    /// `Code`: table from instructions to places in the source; of a baseline `Code`, to bytecodes.
    CodePositions,
    /// `Code`: deoptimization data, which knows what was inlined.
    CodeDeopt,
    /// Mask of the kind in a `Code`'s flags.
    KindMask,
    /// Kind of baseline (Sparkplug) code; Maglev's and TurboFan's follow.
    KindBaseline,
    /// Place of the literals in deoptimization data.
    DeoptLiterals,
    /// Place of the inlined calls in deoptimization data.
    DeoptInlining,
    /// Instance type of `SharedFunctionInfo`.
    SharedType,
    /// Instance type of `Script`.
    ScriptType,
    /// Instance type of `BytecodeArray`.
    BytecodeType,
    /// Instance type of `ScopeInfo`.
    ScopeType,
    /// Instance type of `Code`.
    CodeType,
    /// The first instance type that is no string.
    FirstNonstring,
}

/// A value that the metadata lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// This.
    Fixed(i32),
    /// So much further than another piece.
    From(Item, i32),
}

/// A value for a range of versions, the end not included.
pub(super) struct Rule {
    pub(super) since: Version,
    pub(super) before: Version,
    pub(super) value: Value,
}

/// One piece: its names in the metadata (without `v8dbg_`), else rules.
pub(super) struct Source {
    pub(super) item: Item,
    pub(super) names: &'static [&'static str],
    pub(super) rules: &'static [Rule],
}

/// Later than any.
const EVER: Version = (u32::MAX, 0);

const fn rule(since: Version, before: Version, value: Value) -> Rule {
    Rule { since, before, value }
}

const fn named(item: Item, names: &'static [&'static str]) -> Source {
    Source { item, names, rules: &[] }
}

/// All pieces; one that a rule refers to comes before it.
pub(super) const SOURCES: &[Source] = &[
    named(Item::MapType, &["class_Map__instance_type__uint16_t"]),
    named(Item::FunctionShared, &["class_JSFunction__shared__SharedFunctionInfo"]),
    Source {
        item: Item::FunctionCode,
        names: &[
            "class_JSFunction__code__CodeT",
            "class_JSFunction__code__Tagged_Code_",
            "class_JSFunction__raw_code__CodeT",
        ],
        rules: &[
            // src/objects/js-function.tq of 11.3: shared_function_info, context, feedback_cell, code.
            rule((11, 0), (12, 0), Value::From(Item::FunctionShared, 24)),
            // 13.0 on: dispatch_handle (and padding), shared_function_info.
            rule((13, 0), EVER, Value::From(Item::FunctionShared, -8)),
        ],
    },
    named(
        Item::SharedName,
        &[
            "class_SharedFunctionInfo__name_or_scope_info__Object",
            "class_SharedFunctionInfo__name_or_scope_info__Tagged_Object_",
            "class_SharedFunctionInfo__name_or_scope_info__Tagged_NameOrScopeInfoT_",
        ],
    ),
    Source {
        item: Item::SharedData,
        names: &["class_SharedFunctionInfo__function_data__Object"],
        // src/objects/shared-function-info.tq: its first field.
        rules: &[rule((9, 0), EVER, Value::Fixed(8))],
    },
    Source {
        item: Item::BaselineBytecode,
        names: &[],
        // src/objects/shared-function-info.tq of 9.4: baseline_code, data. Later there is no such object.
        rules: &[rule((9, 0), EVER, Value::Fixed(16))],
    },
    named(
        Item::SharedScript,
        &[
            "class_SharedFunctionInfo__script_or_debug_info__HeapObject",
            "class_SharedFunctionInfo__script__Tagged_HeapObject_",
        ],
    ),
    named(Item::SharedFlags, &["class_SharedFunctionInfo__flags__int"]),
    Source {
        item: Item::SharedLiteral,
        names: &[],
        // src/objects/shared-function-info.tq: flags, function_literal_id.
        rules: &[rule((9, 0), EVER, Value::From(Item::SharedFlags, 4))],
    },
    Source {
        item: Item::ScriptSource,
        names: &["class_Script__source__Object"],
        rules: &[rule((9, 0), EVER, Value::Fixed(8))],
    },
    named(Item::ScriptName, &["class_Script__name__Object"]),
    Source {
        item: Item::ScriptLineOffset,
        names: &["class_Script__line_offset__SMI"],
        // src/objects/script.tq: source, name, line_offset.
        rules: &[rule((9, 0), EVER, Value::Fixed(24))],
    },
    named(Item::ScriptLineEnds, &["class_Script__line_ends__Object"]),
    Source {
        item: Item::ScriptId,
        names: &["class_Script__id__SMI"],
        // src/objects/script.tq: line_ends, id.
        rules: &[rule((9, 0), EVER, Value::From(Item::ScriptLineEnds, 8))],
    },
    Source {
        item: Item::BytecodeData,
        names: &["class_BytecodeArray__data__uintptr_t"],
        // src/objects/bytecode-array.tq of 9.4: four pointers behind the map, three 32-bit fields, two of 8 bits.
        rules: &[rule((9, 0), (10, 0), Value::Fixed(54))],
    },
    Source {
        item: Item::BytecodePositions,
        names: &["class_BytecodeArray__source_position_table__Object"],
        rules: &[
            // src/objects/bytecode-array.tq: length, constant_pool, handler_table, source_position_table.
            rule((9, 0), (12, 0), Value::Fixed(32)),
            // 12 on: length, wrapper, source_position_table.
            rule((12, 0), EVER, Value::Fixed(24)),
        ],
    },
    Source {
        item: Item::CodePositions,
        names: &["class_Code__source_position_table__ByteArray"],
        rules: &[
            // src/objects/code.h: relocation_info, deoptimization_data, position_table.
            rule((9, 0), (12, 0), Value::Fixed(24)),
            // 12 on: deoptimization_data, position_table.
            rule((12, 0), EVER, Value::Fixed(16)),
        ],
    },
    Source {
        item: Item::CodeDeopt,
        names: &["class_Code__deoptimization_data__FixedArray"],
        rules: &[rule((9, 0), EVER, Value::From(Item::CodePositions, -8))],
    },
    Source {
        item: Item::CodeStart,
        names: &["class_Code__instruction_start__Address", "class_Code__instruction_start__uintptr_t"],
        // src/objects/code.h of 11.3; its metadata calls the fields of this class by another's name.
        rules: &[rule((11, 0), (12, 0), Value::From(Item::CodePositions, 16))],
    },
    Source {
        item: Item::CodeSize,
        names: &["class_Code__instruction_size__int"],
        rules: &[rule((11, 0), (12, 0), Value::From(Item::CodeStart, 16))],
    },
    Source {
        item: Item::CodeFlags,
        names: &["class_Code__flags__uint32_t"],
        rules: &[
            // src/objects/code.h of 9.4: instruction_size, metadata_size, flags.
            rule((9, 0), (10, 0), Value::From(Item::CodeSize, 8)),
            rule((11, 0), (12, 0), Value::From(Item::CodeStart, 8)),
        ],
    },
    Source {
        item: Item::KindMask,
        names: &["CodeKindFieldMask"],
        // src/objects/code.h of 9.4: KindField has the four lowest bits.
        rules: &[rule((9, 0), (10, 0), Value::Fixed(15))],
    },
    Source {
        item: Item::KindBaseline,
        names: &["CodeKindBaseline"],
        // src/objects/code-kind.h of 9.4: eleven kinds before it; Turboprop and TurboFan follow.
        rules: &[rule((9, 0), (10, 0), Value::Fixed(11))],
    },
    Source {
        item: Item::DeoptLiterals,
        names: &["DeoptimizationDataLiteralArrayIndex"],
        // src/objects/code.h of 9.4 and 10.2: kLiteralArrayIndex.
        rules: &[rule((9, 0), (11, 0), Value::Fixed(2))],
    },
    Source {
        item: Item::DeoptInlining,
        names: &["DeoptimizationDataInliningPositionsIndex"],
        // src/objects/code.h of 9.4 and 10.2: kInliningPositionsIndex.
        rules: &[rule((9, 0), (11, 0), Value::Fixed(7))],
    },
    named(Item::SharedType, &["type_SharedFunctionInfo__SHARED_FUNCTION_INFO_TYPE"]),
    named(Item::ScriptType, &["type_Script__SCRIPT_TYPE"]),
    named(Item::BytecodeType, &["type_BytecodeArray__BYTECODE_ARRAY_TYPE"]),
    named(Item::ScopeType, &["type_ScopeInfo__SCOPE_INFO_TYPE"]),
    named(Item::CodeType, &["type_Code__CODE_TYPE"]),
    named(Item::FirstNonstring, &["FirstNonstringType"]),
];

/// Metadata that must have these values if it is there: what the walk and the reader take for granted.
pub(super) const EXPECTED: &[(&str, i32)] = &[
    ("TaggedSize", 8),
    ("SmiShiftSize", 31),
    ("off_fp_context", -8),
    ("off_fp_function", -16),
    ("off_fp_bytecode_array", -32),
    ("off_fp_bytecode_offset", -40),
    ("frametype_EntryFrame", 1),
    ("frametype_ConstructEntryFrame", 2),
    ("class_String__length__int32_t", 12),
    ("class_SeqOneByteString__chars__char", 16),
    ("class_ConsString__first__String", 16),
    ("class_ConsString__second__String", 24),
    ("class_SlicedString__parent__String", 16),
    ("class_SlicedString__offset__SMI", 24),
    ("class_ThinString__actual__String", 16),
    ("class_ExternalString__resource__Object", 16),
    ("class_FixedArrayBase__length__SMI", 8),
    ("class_FixedArray__data__uintptr_t", 16),
    ("StringRepresentationMask", 7),
    ("StringEncodingMask", 8),
];
