// Where the dashboard begins: "/", or "/prefix/" behind a proxy that gives it one.

export const root = `${document.body.dataset.root}/`;
