// Reads the schemas of an OpenAPI 3.1 document.

/** Schemas refer to each other, in circles too: deeper than this nothing is shown. */
const DEPTH = 4;

/** One line for a value, and one for each field inside: `{name, type, text}`. */
export function rows(api, name, schema, required, text, depth = 0) {
  const { fields, items, type } = read(api, schema);
  const line = { name, type: required ? type : `${type}, optional`, text: text ?? schema?.description };
  const lines = name === '' ? [] : [line];
  if (depth < DEPTH) {
    const inner = fields ?? (items && read(api, items).fields);
    for (const [field, its] of Object.entries(inner?.properties ?? {})) {
      const path = `${name}${items ? '[]' : ''}${name === '' && !items ? '' : '.'}${field}`;
      lines.push(...rows(api, path, its, inner.required?.includes(field), undefined, depth + 1));
    }
  }
  return lines;
}

/** A value of the schema: its own example, or one made of its required fields. */
export function example(api, schema, depth = 0) {
  const found = resolve(api, schema);
  if (found.example !== undefined) return found.example;
  if (found.examples?.length > 0) return found.examples[0];
  if (found.default !== undefined) return found.default;
  const { fields, items } = read(api, schema);
  if (fields && depth < DEPTH) {
    const wanted = Object.entries(fields.properties ?? {}).filter(([field]) => fields.required?.includes(field));
    return Object.fromEntries(wanted.map(([field, its]) => [field, example(api, its, depth + 1)]));
  }
  if (items) return depth < DEPTH ? [example(api, items, depth + 1)] : [];
  if (found.enum) return found.enum[0];
  if (found.format === 'date-time') return new Date().toISOString();
  const types = [found.type].flat();
  if (types.includes('integer') || types.includes('number')) return found.minimum ?? 0;
  return types.includes('boolean') ? false : '';
}

/** What a schema is: its type in words, the object whose fields it has, the schema of its items. */
function read(api, schema) {
  const found = resolve(api, schema);
  const choices = found.oneOf ?? found.anyOf;
  if (choices) {
    const real = choices.map((it) => resolve(api, it)).filter((it) => it.type !== 'null');
    if (real.length === 1) return read(api, real[0]);
    return { type: real.map((it) => read(api, it).type).join(' or ') };
  }
  if (found.allOf) {
    const parts = found.allOf.map((it) => resolve(api, it));
    const properties = Object.assign({}, ...parts.map((it) => it.properties));
    return { type: 'object', fields: { properties, required: parts.flatMap((it) => it.required ?? []) } };
  }
  const type = [found.type ?? 'any'].flat().filter((it) => it !== 'null').join(' or ');
  if (found.properties) return { type, fields: found };
  if (type === 'array') return { type: `list of ${read(api, found.items).type}`, items: found.items };
  const words = found.enum ? `: ${found.enum.filter((it) => it !== null).join(', ')}` : '';
  return { type: `${found.format ?? type}${words}` };
}

function resolve(api, schema) {
  let found = schema ?? {};
  while (found.$ref) found = found.$ref.slice(2).split('/').reduce((at, step) => at[step], api);
  return found;
}
