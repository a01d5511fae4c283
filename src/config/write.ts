// Writes the reference page and the JSON schema from the schema of the configuration, and the page about replies from
// the rows of the reply rules. `npm run fix` runs it. test/unit/config/schema.test.ts and test/unit/documents.test.ts
// fail when they are stale.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jsonSchema } from './json-schema.ts';
import { referencePage } from './reference.ts';
import { repliesPage } from './replies-page.ts';

const docs = join(import.meta.dirname, '../../docs');
writeFileSync(join(docs, 'configuration.md'), referencePage());
writeFileSync(join(docs, 'everpost.config.schema.json'), `${JSON.stringify(jsonSchema(), null, 2)}\n`);
writeFileSync(join(docs, 'replies.md'), repliesPage());
