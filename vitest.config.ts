import { defineConfig, type ViteUserConfig } from 'vitest/config'

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['__test__/**/*.test.ts'],
    // Forks: a test that crashes the addon must not take the other files with it.
    pool: 'forks',
    // Deadlines are liveness checks on a shared machine, not measurements.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})

export default config
