// Tells what a module declares, with TypeScript's own compiler; none of the module's code is run.
//
// node declared_types.mjs TYPESCRIPT FOLDER SPECIFIER [TYPED]
//
// FOLDER is where SPECIFIER, a package or an absolute path, is looked for. A package without types
// of its own has those of node_modules/@types in TYPED. One JSON object is written: {file,
// documentation, members}, where types are annotations of Python.

import { createRequire } from "node:module";
import path from "node:path";

const [typescript, folder, specifier, typed] = process.argv.slice(2);
const ts = createRequire(import.meta.url)(typescript);

const MOST_MEMBERS = 5000; // chosen: no module that people write by hand has more
const MOST_TYPES = 12; // chosen: a union of more is no help to read
const DEEPEST = 4; // chosen: how deep types and namespaces are followed

const OPTIONS = {
  allowJs: true,
  checkJs: false,
  maxNodeModuleJsDepth: 2,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  noEmit: true,
  skipLibCheck: true,
  strict: true,
  target: ts.ScriptTarget.ESNext,
  types: [],
};

function resolvedIn(where) {
  const from = path.join(where, "noodle.mts");
  const mode = ts.ModuleKind.ESNext;
  const found = ts.resolveModuleName(specifier, from, OPTIONS, ts.sys, undefined, undefined, mode);
  return found.resolvedModule?.resolvedFileName;
}

function entryFile() {
  if (path.isAbsolute(specifier)) return specifier;
  const own = resolvedIn(folder);
  if (typed === undefined || (own !== undefined && /\.[cm]?tsx?$/.test(own))) return own;
  const other = resolvedIn(typed);
  return other?.includes("/node_modules/@types/") ? other : own;
}

const entry = entryFile();
if (entry === undefined) {
  process.stdout.write("null");
  process.exit(0);
}
const program = ts.createProgram([entry], OPTIONS);
const checker = program.getTypeChecker();
const source = program.getSourceFile(entry);
const exported = new Map(); // the symbols of classes that the module has, by their symbols

function text(parts) {
  return ts.displayPartsToString(parts).trim();
}

function documentation(symbol) {
  return text(symbol.getDocumentationComment(checker));
}

function resolved(symbol) {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

// ------------------------------------------------------------------------------------- Types

function literal(value) {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

function union(types, depth) {
  const literals = [];
  const others = new Set();
  for (const type of types) {
    if (type.isStringLiteral() || (type.isNumberLiteral() && Number.isInteger(type.value))) {
      literals.push(literal(type.value));
    } else {
      others.add(annotation(type, depth + 1));
    }
  }
  if (others.has("Any")) return "Any";
  if (literals.length > MOST_TYPES) return "Any";
  const parts = literals.length ? [`Literal[${literals.join(", ")}]`] : [];
  const none = others.delete("None");
  parts.push(...others, ...(none ? ["None"] : []));
  return parts.length > MOST_TYPES ? "Any" : parts.join(" | ");
}

function functionType(signature, depth) {
  const parameters = signature.getParameters();
  const plain = parameters.every((p) => !isOptional(p) && !isRest(p));
  const given = parameters.map((p) => annotation(typeOf(p), depth + 1));
  const result = annotation(signature.getReturnType(), depth + 1);
  return `Callable[${plain ? `[${given.join(", ")}]` : "..."}, ${result}]`;
}

function objectType(type, depth) {
  const name = type.symbol?.name;
  const known = exported.get(type.symbol);
  if (known) return known;
  if (checker.isArrayType(type)) {
    return `list[${annotation(checker.getTypeArguments(type)[0], depth + 1)}]`;
  }
  if (checker.isTupleType(type)) return "list[Any]";
  if (name === "Promise" || name === "PromiseLike") {
    return annotation(checker.getTypeArguments(type)[0], depth + 1);
  }
  if (name === "Date") return "datetime.datetime";
  const calls = type.getCallSignatures();
  const isPlain = calls.length === 1 && type.getProperties().length === 0;
  return isPlain ? functionType(calls[0], depth) : "Any";
}

function annotation(type, depth = 0) {
  if (depth > DEEPEST || type === undefined) return "Any";
  const flags = type.flags;
  const F = ts.TypeFlags;
  if (flags & F.Union && !(flags & F.Boolean)) return union(type.types, depth);
  if (flags & F.StringLike) return "str";
  if (flags & F.NumberLike) return "float";
  if (flags & F.BigIntLike) return "int";
  if (flags & F.BooleanLike) return "bool";
  if (flags & (F.Void | F.Undefined | F.Null)) return "None";
  if (flags & F.Never) return "Never";
  if (flags & F.TypeParameter) return annotation(checker.getBaseConstraintOfType(type), depth + 1);
  return flags & F.Object ? objectType(type, depth) : "Any";
}

// ----------------------------------------------------------------------------------- Members

function isOptional(parameter) {
  const declaration = parameter.valueDeclaration;
  if (declaration === undefined || !ts.isParameter(declaration)) return false;
  return checker.isOptionalParameter(declaration);
}

function isRest(parameter) {
  const declaration = parameter.valueDeclaration;
  return declaration !== undefined && ts.isParameter(declaration) && !!declaration.dotDotDotToken;
}

function typeOf(symbol) {
  const declaration = symbol.valueDeclaration ?? symbol.declarations?.[0] ?? source;
  return checker.getTypeOfSymbolAtLocation(symbol, declaration);
}

function parameterOf(symbol) {
  const rest = isRest(symbol);
  const type = typeOf(symbol);
  const own = rest && checker.isArrayType(type) ? checker.getTypeArguments(type)[0] : type;
  // Whatever may be left out may be undefined too, which the annotation need not repeat.
  const given = isOptional(symbol) ? checker.getNonNullableType(own) : own;
  return {
    name: symbol.name,
    type: rest && own === type ? "Any" : annotation(given),
    optional: isOptional(symbol),
    rest,
  };
}

function signatureOf(signature) {
  return {
    parameters: signature.getParameters().map(parameterOf),
    result: annotation(signature.getReturnType()),
  };
}

function functionMember(name, symbol, signatures) {
  const own = signatures.map((one) => text(one.getDocumentationComment(checker)));
  return {
    kind: "function",
    name,
    documentation: documentation(symbol) || own.find((one) => one) || "",
    signatures: signatures.map(signatureOf),
  };
}

function fieldMember(name, symbol) {
  const type = annotation(typeOf(symbol));
  return { kind: "value", name, documentation: documentation(symbol), type };
}

function isHidden(symbol) {
  const flags = symbol.valueDeclaration ? ts.getCombinedModifierFlags(symbol.valueDeclaration) : 0;
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;
  return (flags & hidden) !== 0 || symbol.name.startsWith("__@") || symbol.name.startsWith("#");
}

function ownMembers(type, isStatic) {
  return type
    .getProperties()
    .filter((one) => !isHidden(one) && one.name !== "prototype" && isDeclaredHere(one))
    .map((one) => {
      const calls = typeOf(one).getCallSignatures();
      const member = calls.length ? functionMember(one.name, one, calls) : fieldMember(one.name, one);
      return { ...member, static: isStatic };
    });
}

function isDeclaredHere(symbol) {
  const file = symbol.declarations?.[0]?.getSourceFile();
  return file !== undefined && !program.isSourceFileDefaultLibrary(file);
}

function classMember(name, symbol) {
  const made = typeOf(symbol);
  const constructors = made.getConstructSignatures();
  const instance = constructors[0]?.getReturnType() ?? checker.getDeclaredTypeOfSymbol(symbol);
  return {
    kind: "class",
    name,
    documentation: documentation(symbol),
    signatures: constructors.map(signatureOf),
    members: [...ownMembers(instance, false), ...ownMembers(made, true)],
  };
}

function memberOf(name, given, depth) {
  const symbol = resolved(given);
  if (!(symbol.flags & ts.SymbolFlags.Value)) return undefined;
  if (symbol.flags & ts.SymbolFlags.Class) return classMember(name, symbol);
  const type = typeOf(symbol);
  const calls = type.getCallSignatures();
  if (calls.length) return functionMember(name, symbol, calls);
  if (type.getConstructSignatures().length) return classMember(name, symbol);
  if (symbol.flags & ts.SymbolFlags.Module && depth < DEEPEST) {
    const members = membersOf(checker.getExportsOfModule(symbol), depth + 1);
    return { kind: "namespace", name, documentation: documentation(symbol), members };
  }
  return fieldMember(name, symbol);
}

function membersOf(symbols, depth) {
  return symbols
    .filter((symbol) => symbol.name !== "export=")
    .slice(0, MOST_MEMBERS)
    .map((symbol) => memberOf(symbol.name, symbol, depth))
    .filter((member) => member !== undefined);
}

function exportsOf(module) {
  const symbols = new Map(checker.getExportsOfModule(module).map((one) => [one.name, one]));
  const whole = module.exports?.get("export=");
  if (whole && !symbols.has("default")) {
    const target = resolved(whole);
    for (const one of checker.getPropertiesOfType(typeOf(target))) {
      if (!symbols.has(one.name) && isDeclaredHere(one)) symbols.set(one.name, one);
    }
    const renamed = Object.create(target, { name: { value: "default" } });
    symbols.set("default", renamed);
  }
  return [...symbols.values()];
}

const module = source && checker.getSymbolAtLocation(source);
if (module === undefined) {
  process.stdout.write("null");
  process.exit(0);
}
const symbols = exportsOf(module);
for (const given of symbols) {
  const symbol = resolved(given);
  if (symbol.flags & ts.SymbolFlags.Class && given.name !== "default") exported.set(symbol, given.name);
}
const told = {
  file: path.relative(folder, entry),
  documentation: documentation(module),
  members: membersOf(symbols, 0),
};
process.stdout.write(JSON.stringify(told));
