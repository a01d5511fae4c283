// Reads a configuration section by section, so that a mistake in one hides none in another. check.ts calls it. The
// sections are independent here: rules.ts and route-rules.ts compare them.

import type { z } from 'zod';
import type { Given } from './given.ts';
import type { Lines } from './lines.ts';
import { schema } from './schema.ts';
import type { NextHopSettings } from './settings.ts';

type Read = z.output<typeof schema>;
export type RouteRead = Read['routes'][number];

/** The valid sections, each read by itself; of next hops and routes, the valid ones. */
export type Sections = {
  readonly [K in keyof Read]?: Read[K] | undefined;
} & {
  /** By their places in the file. */
  readonly routesRead: readonly (RouteRead | undefined)[];
  readonly nextHopsRead: Readonly<Record<string, NextHopSettings | undefined>>;
};

/** Reads every section, also after a mistake in another one, so that one run shows all that is wrong. */
export function readSections(file: Given, lines: Lines): Sections {
  const read: Record<string, unknown> = {};
  for (const [key, part] of Object.entries(schema.shape)) {
    const result = part.safeParse(file[key]);
    if (result.success) read[key] = result.data;
    else lines.issues(result.error.issues, key, file[key]);
  }
  const { routes, nextHops } = schema.shape;
  const routeList = Array.isArray(file.routes) ? file.routes : [];
  const hops = typeof file.nextHops === 'object' ? Object.entries(file.nextHops ?? {}) : [];
  return {
    ...(read as Sections),
    routesRead: routeList.map((each) => routes.element.safeParse(each).data),
    nextHopsRead: Object.fromEntries(hops.map(([name, each]) => [name, nextHops.valueType.safeParse(each).data])),
  };
}
