// MessagePack, as far as affectd's messages need it, by its specification (msgpack/msgpack, spec.md)
const text = new TextDecoder();
const utf8 = new TextEncoder();

/** The value of a frame. Throws a RangeError where it is cut short or of an unknown kind. */
export function decode(buffer) {
  const bytes = new Uint8Array(buffer);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (length) => {
    if (at + length > bytes.length) throw new RangeError("the message is cut short");
    at += length;
    return at - length;
  };
  const string = (length) => text.decode(bytes.subarray(take(length), at));
  const binary = (length) => bytes.slice(take(length), at);
  const array = (length) => Array.from({ length }, value);
  const map = (length) => {
    const found = {};
    // A key like __proto__ must become a property, not a prototype.
    for (let i = 0; i < length; i++) Object.defineProperty(found, value(), { value: value(), enumerable: true, writable: true, configurable: true });
    return found;
  };
  function value() {
    const kind = view.getUint8(take(1));
    if (kind < 0x80) return kind;
    if (kind < 0x90) return map(kind & 0x0f);
    if (kind < 0xa0) return array(kind & 0x0f);
    if (kind < 0xc0) return string(kind & 0x1f);
    if (kind >= 0xe0) return kind - 256;
    switch (kind) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return binary(view.getUint8(take(1)));
      case 0xc5: return binary(view.getUint16(take(2)));
      case 0xc6: return binary(view.getUint32(take(4)));
      case 0xca: return view.getFloat32(take(4));
      case 0xcb: return view.getFloat64(take(8));
      case 0xcc: return view.getUint8(take(1));
      case 0xcd: return view.getUint16(take(2));
      case 0xce: return view.getUint32(take(4));
      case 0xcf: return Number(view.getBigUint64(take(8)));
      case 0xd0: return view.getInt8(take(1));
      case 0xd1: return view.getInt16(take(2));
      case 0xd2: return view.getInt32(take(4));
      case 0xd3: return Number(view.getBigInt64(take(8)));
      case 0xd9: return string(view.getUint8(take(1)));
      case 0xda: return string(view.getUint16(take(2)));
      case 0xdb: return string(view.getUint32(take(4)));
      case 0xdc: return array(view.getUint16(take(2)));
      case 0xdd: return array(view.getUint32(take(4)));
      case 0xde: return map(view.getUint16(take(2)));
      case 0xdf: return map(view.getUint32(take(4)));
      default: throw new RangeError(`0x${kind.toString(16)} begins no value that is known here`);
    }
  }
  const found = value();
  if (at !== bytes.length) throw new RangeError("something follows the message");
  return found;
}

/** The frame of a message: texts, numbers, booleans, null, arrays and plain objects. */
export function encode(message) {
  const out = [];
  const number = (lead, size, set) => {
    const view = new DataView(new ArrayBuffer(size));
    set(view);
    out.push(lead, ...new Uint8Array(view.buffer));
  };
  const sized = (length, fix, limit, lead16) => {
    if (length < limit) out.push(fix | length);
    else number(lead16, 2, (view) => view.setUint16(0, length));
  };
  function put(value) {
    if (value === null || value === undefined) out.push(0xc0);
    else if (typeof value === "boolean") out.push(value ? 0xc3 : 0xc2);
    else if (typeof value === "string") {
      const bytes = utf8.encode(value);
      sized(bytes.length, 0xa0, 32, 0xda);
      out.push(...bytes);
    } else if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) {
      if (value < 128) out.push(value);
      else number(0xce, 4, (view) => view.setUint32(0, value));
    } else if (typeof value === "number") number(0xcb, 8, (view) => view.setFloat64(0, value));
    else if (Array.isArray(value)) {
      sized(value.length, 0x90, 16, 0xdc);
      value.forEach(put);
    } else {
      const entries = Object.entries(value);
      sized(entries.length, 0x80, 16, 0xde);
      entries.forEach((entry) => entry.forEach(put));
    }
  }
  put(message);
  return new Uint8Array(out);
}
