//! A door in front of `pick`: one more core module, which imports the function and exports it again.
//!
//! On each call of a component's function, wasmtime 48 asks the core instance for the function under it
//! anew (`Func::lifted_core_func`). One that this instance *defines* has its machine code looked up in the
//! compiled module's tables, and its reference written again (`initialize_defined_funcref`). For one
//! that it *imports* there is a reference to be read, handed over when it was instantiated. The former
//! takes 643 of about 1700 instructions of a pick.
//!
//! So the component gets, before `pick` is lifted,
//!
//! ```wat
//! (core module $door (import "" "pick" (func ...)) (export "pick" (func 0)))
//! (core instance $door (instantiate $door (with "" (instance (export "pick" (func $pick))))))
//! ```
//!
//! and lifts `$door`'s export instead of `$pick`. No code runs in the door: the reference that it passes
//! on is `$pick`'s own. Round-robin's pick went from 122 to 86 ns, and each component grew by 70 bytes.
//! The others stay without: `configure` and its like are called rarely, `observe` after the response.
//!
//! When wasmtime looks the function up once, when it instantiates, this file can go: `proconsul plugin
//! bench` then shows the same with a door and without. Components that have one stay good, and those
//! that other tools made without are merely slower.
//!
//! Knows components as `ComponentEncoder` makes them: valid, and with every core module defined inside.
//! Knows nothing of the strategy in them.

use std::convert::Infallible;
use std::ops::Range;

use wasm_encoder::reencode::{self, Reencode, ReencodeComponent, component_utils};
use wasm_encoder::{
    Alias, CanonicalFunctionSection, Component, ComponentAliasSection, ComponentSectionId,
    EntityType, ExportKind, ExportSection, ImportSection, InstanceSection, Module, ModuleArg,
    ModuleSection, RawSection, TypeSection, ValType,
};
use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentCanonicalSectionReader, ExternalKind, Parser,
    Payload, Validator,
};

/// The core function that gets a door; its type is that of [`door_module`]'s.
const PICK: &str = "proconsul:balancer/strategy@0.1.0#pick";

/// Why a component gets no door. It is as good as before; only its picks are not as fast as they could be.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// It has no such function.
    #[error("no core function is named `{PICK}`")]
    NoPick,
    /// There is one, and something else is lifted: a door, as a rule.
    #[error("`{PICK}` is not lifted itself: it has a door")]
    HasDoor,
    /// It cannot be taken apart.
    #[error("of another shape: {0}")]
    Shape(#[from] reencode::Error),
    /// With a door it would be no component: its `pick` is of another type.
    #[error("not valid with a door: {0}")]
    Invalid(wasmparser::Error),
}

/// The component with a door. `component` is one that validates.
pub fn with_door(component: &[u8]) -> Result<Vec<u8>, DoorError> {
    let mut adding = Adding::default();
    let mut out = Component::new();
    adding.parse_component(&mut out, Parser::new(0), component)?;
    match (adding.pick, adding.door) {
        (None, _) => return Err(DoorError::NoPick),
        (Some(_), None) => return Err(DoorError::HasDoor),
        (Some(_), Some(_)) => {}
    }
    let out = out.finish();
    Validator::new().validate_all(&out).map_err(DoorError::Invalid)?;
    Ok(out)
}

/// The sizes, so far, of the index spaces that grow by a door, and where it went.
#[derive(Default)]
struct Adding {
    modules: u32,
    instances: u32,
    functions: u32,
    pick: Option<u32>,
    door: Option<Door>,
}

/// The first of the door's own indices in each space; what came after them moves up.
#[derive(Clone, Copy)]
struct Door {
    module: u32,
    /// Two: its arguments, and itself.
    instance: u32,
    function: u32,
}

impl Reencode for Adding {
    type Error = Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, reencode::Error> {
        Ok(index + u32::from(self.door.is_some_and(|door| index >= door.function)))
    }
}

impl ReencodeComponent for Adding {
    fn module_index(&mut self, index: u32) -> u32 {
        index + u32::from(self.door.is_some_and(|door| index >= door.module))
    }

    fn instance_index(&mut self, index: u32) -> u32 {
        index + if self.door.is_some_and(|door| index >= door.instance) { 2 } else { 0 }
    }

    fn parse_component_payload(
        &mut self,
        out: &mut Component,
        payload: Payload<'_>,
        whole: &[u8],
    ) -> Result<(), reencode::Error> {
        match &payload {
            Payload::ModuleSection { unchecked_range, .. } => {
                self.modules += 1;
                copy(ComponentSectionId::CoreModule, unchecked_range, whole, out);
                return Ok(());
            }
            Payload::ComponentSection { unchecked_range, .. } => {
                copy(ComponentSectionId::Component, unchecked_range, whole, out);
                return Ok(());
            }
            Payload::InstanceSection(section) => self.instances += section.count(),
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    self.note_alias(&alias?);
                }
            }
            Payload::ComponentCanonicalSection(section) => self.meet_canonicals(section, out)?,
            _ => {}
        }
        component_utils::parse_component_payload(self, out, payload, whole)
    }

    fn parse_component_canonical(
        &mut self,
        section: &mut CanonicalFunctionSection,
        function: CanonicalFunction,
    ) -> Result<(), reencode::Error> {
        match (self.door, function) {
            (Some(door), CanonicalFunction::Lift { core_func_index, type_index, options })
                if Some(core_func_index) == self.pick =>
            {
                let options: Result<Vec<_>, _> =
                    options.iter().map(|option| self.canonical_option(*option)).collect();
                section.lift(door.function, self.component_type_index(type_index), options?);
                Ok(())
            }
            (_, function) => component_utils::parse_component_canonical(self, section, function),
        }
    }
}

/// Takes a section as it is: inside of it indices are counted from 0 again.
fn copy(id: ComponentSectionId, range: &Range<u64>, whole: &[u8], out: &mut Component) {
    let data = &whole[range.start as usize..range.end as usize];
    out.section(&RawSection { id: id.into(), data });
}

impl Adding {
    fn note_alias(&mut self, alias: &ComponentAlias<'_>) {
        if let ComponentAlias::CoreInstanceExport { kind: ExternalKind::Func, name, .. } = alias {
            if *name == PICK {
                self.pick = Some(self.functions);
            }
            self.functions += 1;
        }
    }

    /// A door stands before the section that lifts `pick`, so that this section's own functions, which
    /// are all that is not lifted, come after it.
    fn meet_canonicals(
        &mut self,
        section: &ComponentCanonicalSectionReader<'_>,
        out: &mut Component,
    ) -> Result<(), reencode::Error> {
        let mut own = 0;
        let mut lifted = None;
        for function in section.clone() {
            match function? {
                CanonicalFunction::Lift { core_func_index, .. } => {
                    lifted = lifted.or(self.pick.filter(|pick| *pick == core_func_index));
                }
                _ => own += 1,
            }
        }
        if let (Some(pick), None) = (lifted, self.door) {
            self.add_door(pick, out);
        }
        self.functions += own;
        Ok(())
    }

    fn add_door(&mut self, pick: u32, out: &mut Component) {
        let door =
            Door { module: self.modules, instance: self.instances, function: self.functions };
        let mut instances = InstanceSection::new();
        instances.export_items([("pick", ExportKind::Func, pick)]);
        instances.instantiate(door.module, [("", ModuleArg::Instance(door.instance))]);
        let mut aliases = ComponentAliasSection::new();
        aliases.alias(Alias::CoreInstanceExport {
            instance: door.instance + 1,
            kind: ExportKind::Func,
            name: "pick",
        });
        out.section(&ModuleSection(&door_module())).section(&instances).section(&aliases);
        self.door = Some(door);
    }
}

/// Imports `pick` and exports it.
fn door_module() -> Module {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I64, ValType::I32], [ValType::I32]);
    let mut imports = ImportSection::new();
    imports.import("", "pick", EntityType::Function(0));
    let mut exports = ExportSection::new();
    exports.export("pick", ExportKind::Func, 0);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&exports);
    module
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::{Kind, builtin};

    /// A component whose core module has `pick` of the given name and key, and which has functions,
    /// an instance and a module after the point where a door goes.
    fn component(name: &str, key: &str) -> Vec<u8> {
        let core_key = if key == "u64" { "i64" } else { "i32" };
        let text = format!(
            r#"(component
                (import "log" (func $log (param "line" u32)))
                (core module $strategy
                    (func (export "{name}") (param {core_key} i32) (result i32) local.get 1)
                    (func (export "configure")))
                (core instance $strategy (instantiate $strategy))
                (alias core export $strategy "{name}" (core func $pick))
                (func $pick (param "key" {key}) (param "attempt" u32) (result u32)
                    (canon lift (core func $pick)))
                (core func $log (canon lower (func $log)))
                (core module $late (import "" "log" (func (param i32))) (func (export "f")))
                (core instance $late (instantiate $late
                    (with "" (instance (export "log" (func $log))))))
                (func $configure (canon lift (core func $strategy "configure")))
                (func $late (canon lift (core func $late "f")))
                (export "pick" (func $pick))
                (export "configure" (func $configure))
                (export "late" (func $late)))"#
        );
        let component = wat::parse_str(text).unwrap();
        Validator::new().validate_all(&component).unwrap();
        component
    }

    #[test]
    fn a_component_gains_a_door_and_only_one() {
        let plain = component(PICK, "u64");
        let with = with_door(&plain).unwrap();
        assert!(with.len() > plain.len(), "{} bytes", with.len());
        Validator::new().validate_all(&with).unwrap();
        assert!(matches!(with_door(&with), Err(DoorError::HasDoor)));
    }

    #[test]
    fn every_built_in_strategy_has_a_door() {
        for name in builtin::names(Kind::Balancer) {
            let component = builtin::component(name).unwrap();
            assert!(matches!(with_door(component), Err(DoorError::HasDoor)), "{name} has none");
        }
    }

    #[test]
    fn what_has_no_pick_of_the_contract_gains_none() {
        assert!(matches!(with_door(&component("pick", "u64")), Err(DoorError::NoPick)));
        assert!(matches!(with_door(&component(PICK, "u32")), Err(DoorError::Invalid(_))));
        assert!(matches!(with_door(b"\0asm\x01\0\0\0"), Err(DoorError::Shape(_))));
    }
}
