// The JSON schema of the configuration, for editors: docs/everpost.config.schema.json. write.ts writes it. It says what
// JSON Schema can say. The check says more: durations, domains and how sections fit together.

import { z } from 'zod';
import { partOf } from './given.ts';
import { schema } from './schema.ts';

/** The facts of a field type that JSON Schema cannot express. */
const OURS = [
  'values',
  'fallback',
  'example',
  'choices',
  'later',
  'laterKeys',
  'elsewhere',
  'noEffectYet',
  'names',
] as const;

export function jsonSchema(): object {
  const { $schema, ...rest } = z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-7',
    override: ({ zodSchema, jsonSchema: written }) => {
      const { told } = partOf(zodSchema);
      if (told.names !== undefined) written.propertyNames = { pattern: told.names };
      if (told.later !== undefined && written.description === undefined)
        written.description = `${told.later} is not built yet.`;
      for (const key of OURS) delete written[key];
    },
  });
  return { $schema, title: 'The configuration of Everpost', ...rest };
}
