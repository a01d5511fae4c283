// Mutations of src/config/: see run.ts.

import type { Mutation } from './mutation.ts';

const check = (name: string) => ({ file: 'test/unit/config/check.test.ts', name });
const mistake = (name: string) => ({ file: 'test/unit/config/mistakes.test.ts', name });
const line = (fixture: string) =>
  mistake(`one line for each mistake: where, what is wrong, what to write > ${fixture}`);

export const configMutations: readonly Mutation[] = [
  {
    name: 'config/a-route-behind-another-is-let-through',
    file: 'src/config/route-rules.ts',
    text: 'found !== undefined && found < index',
    replacement: 'found !== undefined && found > index',
    test: line('a route that is never reached'),
  },
  {
    name: 'config/a-label-takes-the-whole-mailbox',
    file: 'src/core/routing/routes.ts',
    text: '  return [own, ...withoutLabel, ...whole, ...above,',
    replacement: '  return [...withoutLabel, own, ...whole, ...above,',
    test: check('one match twice is told apart by direction, and a label is not the whole mailbox'),
  },
  {
    name: 'config/what-follows-from-a-misspelt-section-is-told-too',
    file: 'src/config/given.ts',
    text: 'if (meant !== null && !members.has(meant)) members.set(meant, members.get(key));',
    replacement: '',
    test: line('misspelt next hops, that routes name'),
  },
  {
    name: 'config/a-name-that-zod-passes-over',
    file: 'src/config/given.ts',
    text: '  else if (parseName(name) === null)\n',
    replacement: "  else if (parseName(name) === null && name !== '__proto__')\n",
    test: mistake('a next hop cannot be named __proto__'),
  },
  {
    name: 'config/a-getter-that-throws',
    file: 'src/config/given.ts',
    text: '    return (of as Readonly<Record<string | number, unknown>>)[key];\n  } catch {\n    return unreadable;',
    replacement:
      '    return (of as Readonly<Record<string | number, unknown>>)[key];\n  } catch (error) {\n    throw error;',
    test: { file: 'test/unit/config/any-input.test.ts', name: 'a list whose elements throw' },
  },
  {
    name: 'config/port-587-with-implicit-tls',
    file: 'src/config/rules.ts',
    text: "hop.port === 587 && hop.tls === 'implicit'",
    replacement: "hop.port === 587 && hop.tls === 'off'",
    test: line('port 587 with implicit TLS'),
  },
  {
    name: 'config/an-example-for-another-domain',
    file: 'src/config/lines.ts',
    text: "replaceAll('@example.com'",
    replacement: "replaceAll('@nowhere.example'",
    test: mistake('examples are for this file > with a domain of it'),
  },
  {
    name: 'config/advice-that-stops-a-deploy',
    file: 'src/config/check.ts',
    text: 'notDeployed: notDeployed.all(), notYet',
    replacement: 'notDeployed: warnings, notYet',
    test: {
      file: 'test/unit/config/warnings.test.ts',
      name: "what works and is probably not meant is a warning, and does not stop a deploy > notices.from in somebody else's domain",
    },
  },
  {
    name: 'config/an-error-without-its-line',
    file: 'src/config/thrown.ts',
    text: 'if (found.file === path) return { line: found.line, elsewhere: null };',
    replacement: 'if (found.file === path) return { line: null, elsewhere: null };',
    test: {
      file: 'test/unit/config/load.test.ts',
      name: 'what cannot be read is one line, with the line of the file where there is one',
    },
  },
  {
    name: 'config/the-name-of-the-file-without-its-folder',
    file: 'src/config/load.ts',
    text: 'const source = printable(file);',
    replacement: "const source = printable(file.split('/').at(-1) ?? '');",
    test: {
      file: 'test/unit/config/load.test.ts',
      name: 'lines begin with the path as it was given, also where only the folder tells two files apart',
    },
  },
  {
    name: 'config/a-page-that-is-stale',
    file: 'src/config/schema.ts',
    text: "description: 'How long after acceptance a delivery expires.',",
    replacement: "description: 'How long after its arrival a delivery expires.',",
    test: {
      file: 'test/unit/config/schema.test.ts',
      name: 'the files that npm run fix writes are not stale > docs/configuration.md',
    },
  },
];
