//! The part of Python's pickle machine that a state dict needs.
//!
//! A pickle is a program for a stack machine that can call any Python function by name. This one
//! knows the opcodes that build text, numbers, tuples, lists and dicts, and the few names that
//! torch writes for tensors. It calls nothing: a "call" of a known name makes a value of this
//! module. Everything else is refused by name.
//!
//! Objects live in one list and point to each other by index, so that a pickle that nests a million
//! deep, or holds itself, is no trouble to look at or to free.

use std::collections::HashMap;

use super::globals::{self, Global};
use super::reader::Reader;

/// More than any state dict needs: a large one takes about 20,000.
const MOST_OBJECTS: usize = 1 << 18;

const UNDERFLOW: &str = "takes more from the stack than there is";

/// A value on the stack.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    None,
    Int(i64),
    /// A truth value or a number with a fraction, neither of which says anything about tensors.
    Plain,
    /// An index into [`Pickle::objects`].
    Object(usize),
}

/// A value that others may point to.
#[derive(Debug)]
pub(super) enum Object {
    Text(String),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Global(Global),
    /// What a persistent id, a tuple, stands for.
    Storage(Value),
    /// What `_rebuild_tensor_v2` makes of its arguments, a tuple.
    Tensor(Value),
}

/// What a pickle makes.
#[derive(Debug)]
pub(super) struct Pickle {
    objects: Vec<Object>,
    /// The value that it leaves at the end.
    pub(super) result: Value,
}

impl Pickle {
    pub(super) fn object(&self, value: Value) -> Option<&Object> {
        match value {
            Value::Object(index) => self.objects.get(index),
            _ => None,
        }
    }

    pub(super) fn text(&self, value: Value) -> Option<&str> {
        match self.object(value) {
            Some(Object::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn tuple(&self, value: Value) -> Option<&[Value]> {
        match self.object(value) {
            Some(Object::Tuple(values)) => Some(values),
            _ => None,
        }
    }

    pub(super) fn dict(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.object(value) {
            Some(Object::Dict(pairs)) => Some(pairs),
            _ => None,
        }
    }

    /// A number that is not negative.
    pub(super) fn size(&self, value: Value) -> Option<usize> {
        match value {
            Value::Int(number) => usize::try_from(number).ok(),
            _ => None,
        }
    }
}

/// Runs a pickle to its end, or says what is wrong and at which byte.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle, String> {
    let mut machine = Machine {
        input: Reader::new(bytes),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        objects: Vec::new(),
    };
    loop {
        let at = machine.input.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(result)) => return Ok(Pickle { objects: machine.objects, result }),
            Err(why) => return Err(format!("{why} (at byte {at} of the pickle)")),
        }
    }
}

struct Machine<'a> {
    input: Reader<'a>,
    stack: Vec<Value>,
    /// Where in the stack the marks stand.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    objects: Vec<Object>,
}

impl Machine<'_> {
    /// One opcode; the result when it was the last one.
    fn step(&mut self) -> Result<Option<Value>, String> {
        let opcode = self.input.u8()?;
        match opcode {
            // PROTO
            0x80 => match self.input.u8()? {
                2..=5 => {}
                version => return Err(format!("is pickle protocol {version}, 2 to 5 are known")),
            },
            // FRAME: how far to read ahead, which means nothing to a pickle in memory.
            0x95 => drop(self.input.u64()?),
            // MARK, EMPTY_DICT, EMPTY_TUPLE, EMPTY_LIST
            b'(' => self.marks.push(self.stack.len()),
            b'}' => self.push(Object::Dict(Vec::new()))?,
            b')' => self.push(Object::Tuple(Vec::new()))?,
            b']' => self.push(Object::List(Vec::new()))?,
            // TUPLE, TUPLE1, TUPLE2, TUPLE3
            b't' => {
                let values = self.pop_to_mark()?;
                self.push(Object::Tuple(values))?;
            }
            0x85..=0x87 => {
                let values = self.pop_many(usize::from(opcode - 0x84))?;
                self.push(Object::Tuple(values))?;
            }
            // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8
            b'X' | 0x8c | 0x8d => {
                let length = match opcode {
                    b'X' => self.input.u32()?.into(),
                    0x8c => self.input.u8()?.into(),
                    _ => self.input.u64()?,
                };
                let text = self.input.text(length)?.to_owned();
                self.push(Object::Text(text))?;
            }
            // BININT, BININT1, BININT2, LONG1, BINFLOAT
            b'J' => self.stack.push(Value::Int(self.input.i32()?.into())),
            b'K' => self.stack.push(Value::Int(self.input.u8()?.into())),
            b'M' => self.stack.push(Value::Int(self.input.u16()?.into())),
            0x8a => self.stack.push(Value::Int(self.input.long()?)),
            b'G' => {
                self.input.u64()?;
                self.stack.push(Value::Plain);
            }
            // NEWTRUE, NEWFALSE, NONE
            0x88 | 0x89 => self.stack.push(Value::Plain),
            b'N' => self.stack.push(Value::None),
            // BINPUT, LONG_BINPUT, MEMOIZE
            b'q' => {
                let index = self.input.u8()?;
                self.remember(index.into())?;
            }
            b'r' => {
                let index = self.input.u32()?;
                self.remember(index)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            // BINGET, LONG_BINGET
            b'h' => {
                let index = self.input.u8()?;
                self.recall(index.into())?;
            }
            b'j' => {
                let index = self.input.u32()?;
                self.recall(index)?;
            }
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let global = globals::find(self.input.line()?, self.input.line()?)?;
                self.push(Object::Global(global))?;
            }
            0x93 => {
                let global = match self.pop_many(2)?[..] {
                    [module, name] => self.named_by(module, name)?,
                    _ => return Err("has a global without a name".into()),
                };
                self.push(Object::Global(global))?;
            }
            // REDUCE: a call.
            b'R' => self.call()?,
            // BINPERSID: a storage, which torch keeps beside the pickle.
            b'Q' => {
                let id = self.pop()?;
                self.push(Object::Storage(id))?;
            }
            // SETITEM, SETITEMS
            b's' => {
                let pair = self.pop_many(2)?;
                self.set_items(&pair)?;
            }
            b'u' => {
                let pairs = self.pop_to_mark()?;
                self.set_items(&pairs)?;
            }
            // APPEND, APPENDS
            b'a' => {
                let value = self.pop_many(1)?;
                self.append(&value)?;
            }
            b'e' => {
                let values = self.pop_to_mark()?;
                self.append(&values)?;
            }
            // BUILD: the attributes of a state dict are its modules' versions, which mean nothing
            // here.
            b'b' => {
                self.pop()?;
                if !matches!(self.top_object()?, Object::Dict(_)) {
                    return Err("sets attributes of something that is not a dict".into());
                }
            }
            // STOP
            b'.' => return self.pop().map(Some),
            _ => return Err(format!("has opcode {opcode:#04x}, which no state dict needs")),
        }
        if self.stack.len().max(self.marks.len()) > MOST_OBJECTS {
            return Err(format!("stacks more than {MOST_OBJECTS} values"));
        }
        Ok(None)
    }

    fn call(&mut self) -> Result<(), String> {
        let arguments = self.pop()?;
        let callee = match self.object(self.top()?) {
            Some(Object::Global(callee)) => *callee,
            _ => return Err("calls something that is not a function".into()),
        };
        self.pop()?;
        let Some(Object::Tuple(values)) = self.object(arguments) else {
            return Err(format!("calls {callee} with something that is not a tuple"));
        };
        match (callee, &values[..]) {
            (Global::OrderedDict, []) => self.push(Object::Dict(Vec::new())),
            (Global::RebuildTensor, _) => self.push(Object::Tensor(arguments)),
            // A parameter is its tensor.
            (Global::RebuildParameter, &[tensor, ..]) => {
                self.stack.push(tensor);
                Ok(())
            }
            _ => Err(format!("calls {callee} with {} arguments", values.len())),
        }
    }

    fn object(&self, value: Value) -> Option<&Object> {
        match value {
            Value::Object(index) => self.objects.get(index),
            _ => None,
        }
    }

    fn named_by(&self, module: Value, name: Value) -> Result<Global, String> {
        match (self.object(module), self.object(name)) {
            (Some(Object::Text(module)), Some(Object::Text(name))) => globals::find(module, name),
            _ => Err("has a global whose name is not text".into()),
        }
    }

    fn push(&mut self, object: Object) -> Result<(), String> {
        if self.objects.len() == MOST_OBJECTS {
            return Err(format!("makes more than {MOST_OBJECTS} objects"));
        }
        self.stack.push(Value::Object(self.objects.len()));
        self.objects.push(object);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, String> {
        let value = self.top()?;
        self.stack.pop();
        Ok(value)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Value>, String> {
        let start = self.stack.len().checked_sub(count).filter(|start| *start >= self.floor());
        Ok(self.stack.split_off(start.ok_or(UNDERFLOW)?))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().ok_or(UNDERFLOW)?;
        Ok(self.stack.split_off(mark))
    }

    /// Nothing below the last mark may be taken.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Value, String> {
        let value = self.stack.get(self.floor()..).and_then(<[Value]>::last);
        value.copied().ok_or_else(|| UNDERFLOW.into())
    }

    fn top_object(&mut self) -> Result<&mut Object, String> {
        let object = match self.top()? {
            Value::Object(index) => self.objects.get_mut(index),
            _ => None,
        };
        object.ok_or_else(|| "changes something that is not an object".into())
    }

    fn set_items(&mut self, values: &[Value]) -> Result<(), String> {
        let (pairs, []) = values.as_chunks::<2>() else {
            return Err("sets a key without a value".into());
        };
        match self.top_object()? {
            Object::Dict(dict) => dict.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            _ => return Err("sets items of something that is not a dict".into()),
        }
        Ok(())
    }

    fn append(&mut self, values: &[Value]) -> Result<(), String> {
        match self.top_object()? {
            Object::List(list) => list.extend_from_slice(values),
            _ => return Err("appends to something that is not a list".into()),
        }
        Ok(())
    }

    fn remember(&mut self, index: u32) -> Result<(), String> {
        let value = self.top()?;
        self.memo.insert(index, value);
        if self.memo.len() > MOST_OBJECTS {
            return Err(format!("remembers more than {MOST_OBJECTS} values"));
        }
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<(), String> {
        let value = self.memo.get(&index).ok_or_else(|| format!("recalls unset memo {index}"))?;
        self.stack.push(*value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_each_opcode() {
        let program = [
            b"\x80\x04\x95\0\0\0\0\0\0\0\0(" as &[u8],
            b"J\xff\xff\xff\xffK\xc8M\x01\x02\x8a\0\x8a\x02\x00\xff\x8a\x08\0\0\0\0\0\0\0\x01",
            b"X\x01\0\0\0a\x8c\x01b\x8d\x01\0\0\0\0\0\0\0cG\0\0\0\0\0\0\0\0\x88\x89N",
            b"t.",
        ]
        .concat();
        let pickle = read(&program).unwrap();
        let values = pickle.tuple(pickle.result).unwrap();
        let ints = values.iter().map_while(|value| match value {
            Value::Int(int) => Some(*int),
            _ => None,
        });
        assert_eq!(ints.collect::<Vec<_>>(), [-1, 200, 513, 0, -256, 1 << 56]);
        let texts: Vec<_> = values.iter().filter_map(|value| pickle.text(*value)).collect();
        assert_eq!(texts, ["a", "b", "c"]);
        assert!(matches!(values[9..], [Value::Plain, Value::Plain, Value::Plain, Value::None]));
        assert_eq!(pickle.size(values[0]), None);
        assert_eq!(pickle.size(values[1]), Some(200));
    }

    #[test]
    fn containers_and_memo() {
        // d = {}; d["k"] = (d, [1, 2, 3]), all through the memo.
        let program = b"}q\0\x8c\x01kr\x2c\x01\0\0(h\0](K\x01K\x02eK\x03atsj\x2c\x01\0\0\x86.";
        let pickle = read(program).unwrap();
        let pair = pickle.tuple(pickle.result).unwrap();
        assert_eq!(pickle.text(pair[1]), Some("k"));
        let dict = pickle.dict(pair[0]).unwrap();
        let inner = pickle.tuple(dict[0].1).unwrap();
        assert!(pickle.dict(inner[0]).is_some());
        assert!(matches!(pickle.object(inner[1]), Some(Object::List(list)) if list.len() == 3));
    }

    #[test]
    fn each_fault_is_named() {
        let cases: [(&[u8], &str); 28] = [
            (b"", "ends in the middle"),
            (b"\x80", "ends in the middle"),
            (b"\x80\x01.", "protocol 1"),
            (b"\x80\x06.", "protocol 6"),
            (b"}", "ends in the middle"),
            (b".", UNDERFLOW),
            (b"t.", UNDERFLOW),
            (b"\x85.", UNDERFLOW),
            (b"K\x01(\x85.", UNDERFLOW),
            (b"q\0.", UNDERFLOW),
            (b"h\0.", "unset memo 0"),
            (b"j\xff\xff\xff\xff.", "unset memo 4294967295"),
            (b"X\xff\xff\xff\xffa.", "text of 4294967295 bytes"),
            (b"X\x04\0\0\0ab.", "ends in the middle"),
            (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.", "text of"),
            (b"\x8c\x01\xff.", "not UTF-8"),
            (b"\x8a\x09\0\0\0\0\0\0\0\0\0.", "9 bytes"),
            (b"cos\nsystem\n.", "wants os.system, which no state dict"),
            (b"\x8c\x02os\x8c\x06system\x93.", "wants os.system, which no state dict"),
            (b"ctorch.storage\n_load_from_bytes\n.", "wants torch.storage._load_from_bytes"),
            (b"ctorch\nnot ended", "name without end"),
            (b"K\x01K\x02\x93.", "name is not text"),
            (b"K\x01)R.", "not a function"),
            (b"ctorch\nFloatStorage\n)R.", "calls torch.FloatStorage with 0 arguments"),
            (b"ccollections\nOrderedDict\nK\x01\x85R.", "OrderedDict with 1 arguments"),
            (b"ccollections\nOrderedDict\n]R.", "not a tuple"),
            (b"](K\x01K\x02u.", "not a dict"),
            (b"}(K\x01u.", "key without a value"),
        ];
        for (program, expected) in cases {
            let error = read(program).unwrap_err();
            assert!(error.contains(expected), "{error} for {program:?}");
            assert!(error.contains("at byte"), "{error}");
        }
        for opcode in *b"i0120FIRLSUTBCPdlgoe" {
            assert!(read(&[b'N', opcode, b'1', b'\n', b'.']).is_err(), "{}", opcode as char);
        }
    }

    #[test]
    fn growth_is_bounded() {
        for (unit, repeats) in [
            (b"(" as &[u8], MOST_OBJECTS + 1),
            (b"N", MOST_OBJECTS + 1),
            (b")0", MOST_OBJECTS + 1),
            (b"]", MOST_OBJECTS + 1),
        ] {
            assert!(read(&unit.repeat(repeats)).is_err());
        }
        // Deeper than the machine's own stack could free one in another.
        let deep = [b")".to_vec(), b"\x85".repeat(200_000), b".".to_vec()].concat();
        assert!(read(&deep).is_ok());
    }
}
