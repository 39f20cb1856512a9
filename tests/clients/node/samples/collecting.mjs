// An error that has collected others.

export const any = () =>
  Promise.any([1, 2].map((number) => Promise.reject(new Error(`no ${number}`))));
