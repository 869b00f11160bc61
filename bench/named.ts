/** Those that `--only` names: by a whole name, or else by how names begin. */
export function named<T extends { readonly id: string }>(
  all: readonly T[],
  names: readonly string[],
): T[] {
  const isWhole = (name: string): boolean => all.some(({ id }) => id === name);
  return all.filter(({ id }) =>
    names.some((name) => (isWhole(name) ? id === name : id.startsWith(name))),
  );
}
