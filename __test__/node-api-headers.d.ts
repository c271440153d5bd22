/** The part of node-api-headers that the tests use; the package has no types. */
declare module 'node-api-headers' {
  export const symbols: Record<'v8', { js_native_api_symbols: string[]; node_api_symbols: string[] }>
}
