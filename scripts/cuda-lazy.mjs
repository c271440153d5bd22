// Writes libcuda.a, libcublas.a, libcublasLt.a, libcurand.a and libnvrtc.a into a folder: one small jump per
// function that cudarc declares. The first call opens the real library; where it is missing, the call returns that
// library's own "not available" status. An addon linked with them loads on a machine without CUDA.
// Besides, each archive has hw_lazy_NAME_present(), which tells whether the library can be opened at all.
//   node scripts/cuda-lazy.mjs OUT_DIR
//
// Archives instead of libraries, since candle forces cudarc to link its libraries dynamically: an addon linked with the real
// ones would not load without a driver. Linux x64; the stubs for arm64 have not been run.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const out = process.argv[2]
const meta = JSON.parse(
  execFileSync('cargo', ['metadata', '--format-version', '1', '--all-features', '--locked'], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  }),
)
const cudarc = dirname(meta.packages.find((p) => p.name === 'cudarc').manifest_path)
const arch = process.env.HEADWATER_TARGET_ARCH ?? process.arch

// [archive, cudarc module, SONAMEs in order, status when missing]
const libs = [
  ['cuda', 'driver', ['libcuda.so.1'], 34 /* CUDA_ERROR_STUB_LIBRARY */],
  ['cublas', 'cublas', ['libcublas.so.13'], 1 /* NOT_INITIALIZED */],
  ['cublasLt', 'cublaslt', ['libcublasLt.so.13'], 1],
  ['curand', 'curand', ['libcurand.so.10'], 203 /* INITIALIZATION_FAILED */],
  ['nvrtc', 'nvrtc', ['libnvrtc.so.13'], 11 /* INTERNAL_ERROR */],
]
const tmp = mkdtempSync(join(tmpdir(), 'cuda-lazy-'))
for (const [lib, module, sonames, status] of libs) {
  const text = readFileSync(join(cudarc, 'src', module, 'sys', 'mod.rs'), 'utf8')
  const names = [...new Set([...text.matchAll(/^\s+(?:pub )?fn ((?:cu|nvrtc)\w+)\(/gm)].map((m) => m[1]))].sort()
  if (names.length < 10)
    throw new Error(`${module}: only ${names.length} functions found; has cudarc changed its layout?`)
  const c = join(tmp, `${lib}.c`)
  writeFileSync(c, source(lib, names, sonames, status))
  execFileSync(process.env.CC ?? 'cc', ['-O2', '-fPIC', '-c', c, '-o', join(tmp, `${lib}.o`)], { stdio: 'inherit' })
  rmSync(join(out, `lib${lib}.a`), { force: true })
  execFileSync(process.env.AR ?? 'ar', ['rcs', join(out, `lib${lib}.a`), join(tmp, `${lib}.o`)])
  console.log(`lib${lib}.a: ${names.length} functions`)
}
rmSync(tmp, { recursive: true })

function source(lib, names, sonames, status) {
  const p = `hw_lazy_${lib}`
  const text = (n) => lib !== 'cuda' && /Get(Status|Error)(Name|String)$/.test(n)
  return `#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
static const char *const sonames[] = {${sonames.map((s) => `"${s}"`)}};
static const char *const names[] = {${names.map((n) => `"${n}"`)}};
static const char is_text[] = {${names.map((n) => (text(n) ? 1 : 0))}};
__attribute__((visibility("hidden"))) void *${p}_slots[${names.length}];
static long missing(void) { return ${status}; }
static const char *missing_text(void) { return "lib${lib} is not available"; }
static void *open_first(void) {
  static const char *const dirs[] = {"", "/usr/local/cuda/lib64/", "/opt/cuda/lib64/", "/usr/lib/wsl/lib/"};
  char path[4096];
  const char *own = getenv("HEADWATER_CUDA_PATH");
  for (unsigned s = 0; s < sizeof sonames / sizeof *sonames; s++) {
    void *h;
    if (own && *own && snprintf(path, sizeof path, "%s/%s", own, sonames[s]) < (int)sizeof path && (h = dlopen(path, RTLD_NOW | RTLD_GLOBAL))) return h;
    for (unsigned d = 0; d < sizeof dirs / sizeof *dirs; d++) {
      snprintf(path, sizeof path, "%s%s", dirs[d], sonames[s]);
      if ((h = dlopen(path, RTLD_NOW | RTLD_GLOBAL))) return h;
    }
  }
  return 0;
}
__attribute__((visibility("hidden"), used)) void *${p}_resolve(unsigned long i) {
  static void *handle;
  void *h = __atomic_load_n(&handle, __ATOMIC_ACQUIRE);
  if (!h && (h = open_first())) __atomic_store_n(&handle, h, __ATOMIC_RELEASE);
  void *f = h ? dlsym(h, names[i]) : 0;
  if (!f) return is_text[i] ? (void *)missing_text : (void *)missing;
  __atomic_store_n(&${p}_slots[i], f, __ATOMIC_RELEASE);
  return f;
}
__attribute__((visibility("hidden"), used)) int ${p}_present(void) {
  void *h = open_first();
  if (h) dlclose(h);
  return h != 0;
}
${arch === 'x64' ? x64(p, names) : arm64(p, names)}`
}

function x64(p, names) {
  return `__asm__(".text\\n"
"${p}_common:\\n push %rdi\\n push %rsi\\n push %rdx\\n push %rcx\\n push %r8\\n push %r9\\n push %rax\\n sub $136,%rsp\\n"
${[0, 1, 2, 3, 4, 5, 6, 7].map((r) => `" movups %xmm${r},${r * 16}(%rsp)\\n"`).join('\n')}
" mov 192(%rsp),%rdi\\n call ${p}_resolve\\n mov %rax,%r11\\n"
${[0, 1, 2, 3, 4, 5, 6, 7].map((r) => `" movups ${r * 16}(%rsp),%xmm${r}\\n"`).join('\n')}
" add $136,%rsp\\n pop %rax\\n pop %r9\\n pop %r8\\n pop %rcx\\n pop %rdx\\n pop %rsi\\n pop %rdi\\n add $8,%rsp\\n jmp *%r11\\n"
${names.map((n, i) => `".globl ${n}\\n.hidden ${n}\\n.type ${n},@function\\n${n}: mov ${p}_slots+${8 * i}(%rip),%r11\\n test %r11,%r11\\n jz 1f\\n jmp *%r11\\n1: push $${i}\\n jmp ${p}_common\\n.size ${n},.-${n}\\n"`).join('\n')}
);
`
}

function arm64(p, names) {
  return `__asm__(".text\\n"
"${p}_common:\\n stp x29,x30,[sp,#-224]!\\n stp x0,x1,[sp,#16]\\n stp x2,x3,[sp,#32]\\n stp x4,x5,[sp,#48]\\n stp x6,x7,[sp,#64]\\n str x8,[sp,#80]\\n"
" stp q0,q1,[sp,#96]\\n stp q2,q3,[sp,#128]\\n stp q4,q5,[sp,#160]\\n stp q6,q7,[sp,#192]\\n mov x0,x17\\n bl ${p}_resolve\\n mov x16,x0\\n"
" ldp q0,q1,[sp,#96]\\n ldp q2,q3,[sp,#128]\\n ldp q4,q5,[sp,#160]\\n ldp q6,q7,[sp,#192]\\n ldp x0,x1,[sp,#16]\\n ldp x2,x3,[sp,#32]\\n ldp x4,x5,[sp,#48]\\n ldp x6,x7,[sp,#64]\\n ldr x8,[sp,#80]\\n ldp x29,x30,[sp],#224\\n br x16\\n"
${names.map((n, i) => `".globl ${n}\\n.hidden ${n}\\n.type ${n},%function\\n${n}: adrp x16,${p}_slots\\n add x16,x16,:lo12:${p}_slots\\n ldr x16,[x16,#${8 * i}]\\n cbz x16,1f\\n br x16\\n1: mov x17,#${i}\\n b ${p}_common\\n.size ${n},.-${n}\\n"`).join('\n')}
);
`
}
