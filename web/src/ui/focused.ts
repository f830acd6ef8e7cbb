import { tick } from 'svelte';

/** Has the focus when it appears: after the dialog around it, which takes it first. */
export function focused(node: HTMLElement, really = true): void {
  if (really) void tick().then(() => node.focus());
}
