/** The moment in which the page goes away: there is time to send, and none to wait for an answer. */
let now = false;

/** Whether what is sent must outlive the page. */
export function leaving(): boolean {
  return now;
}

/** Calls `send` as the last thing. Returns how to stop it. */
export function onLeaving(send: () => void): () => void {
  const leave = (): void => {
    now = true;
    send();
    now = false;
  };
  addEventListener('pagehide', leave);
  return () => removeEventListener('pagehide', leave);
}
