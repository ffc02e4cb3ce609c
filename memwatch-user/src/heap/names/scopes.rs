//! Variables: which name is in which slot of a context.

use super::view::{Object, View, number};
use crate::{heap::memory::Memory, v8::heap_layout::named};

/// More variables than a function has.
const MAX_VARIABLES: u32 = 1 << 20;

impl<M: Memory> View<M> {
    /// The name of the variable in word `slot` of `context`: a string. `None` if no variable is there.
    pub(super) fn variable(&self, context: Object, slot: u32) -> Option<Object> {
        let scope = self.object(context, named::CONTEXT_SCOPE)?;
        let flags = self.number(scope, named::SCOPE_FLAGS)?;
        let count = self.number(scope, named::SCOPE_COUNT).filter(|count| *count < MAX_VARIABLES)?;
        let first = named::CONTEXT_OUTER + 1 + u32::from(flags & named::SCOPE_HAS_EXTENSION != 0);
        let local = slot.checked_sub(first)?;
        let is_module = flags & named::SCOPE_KIND == self.layout.module_scope;
        let is_counted = is_module && self.layout.module_scope_has_count;
        let names = self.layout.scope_first_names / 8 + u32::from(is_counted);
        // V8 9 has them all inlined.
        if let Some(table) = self.object(scope, names).filter(|first| count > 0 && !self.is_string(*first)) {
            return if count >= named::SCOPE_MOST_INLINED { self.in_table(table, local) } else { None };
        }
        // The slot behind the variables has the function itself; its name is behind the variables' properties.
        let place = if local < count { names + local } else { names + 2 * count };
        self.object(scope, place).filter(|name| local <= count && self.is_string(*name))
    }

    fn in_table(&self, table: Object, local: u32) -> Option<Object> {
        let words = 2 + self.number(table, 1)?.min(2 * MAX_VARIABLES);
        let entries = (named::TABLE_BODY..words).step_by(2);
        // What claims to be longer than what can be read ends there.
        let mut values = entries.map_while(|entry| Some((entry, self.word(table, entry + 1)?)));
        let is_it = |value: u64| value & 1 == 0 && number(value) == local;
        let is_name = |entry: u32| self.object(table, entry).is_some_and(|key| self.is_string(key));
        let (entry, _) = values.find(|(entry, value)| is_it(*value) && is_name(*entry))?;
        self.object(table, entry)
    }
}
