// `npm run fix` runs it: writes the reference page and the JSON schema again, from the schema of the configuration.
// test/unit/config/reference.test.ts says when they are stale.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jsonSchema } from './json-schema.ts';
import { referencePage } from './reference.ts';

const docs = join(import.meta.dirname, '../../docs');
writeFileSync(join(docs, 'configuration.md'), referencePage());
writeFileSync(join(docs, 'everpost.config.schema.json'), `${JSON.stringify(jsonSchema(), null, 2)}\n`);
