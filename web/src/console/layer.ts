import type { Incident } from '../feed/protocol';
import type { BulkAction } from './transitions';

/** What lies over the page; one at a time. */
export type Layer = 'help' | 'palette' | 'filters' | 'find' | 'contacts' | { readonly photo: string } | { readonly bulk: BulkAction; readonly incidents: readonly Incident[] };
