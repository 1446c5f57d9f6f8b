;; Add the product of a vector and a matrix: sum[k] += x[i] * weights[i][k].
;;
;; The same as `addProductInJavaScript` in network.js, four numbers at a time. The arguments
;; are places in the memory, counted in float32 numbers, and the two sizes. Sixteen sums
;; stay in registers while i runs over the inputs; the other two loops are the same with
;; four sums and with one. A v128 holds four numbers, `splat` copies one number into all
;; four, br_if leaves a block or repeats a loop, and align=4 promises whole numbers of 4 bytes.
;;
;; `kernel.wasm` is this text in binary form, made by `wasmtime.wat2wasm`.
(module
  (memory (import "page" "memory") 1)
  (func (export "add_product")
    (param $sum i32) (param $x i32) (param $weights i32)
    (param $inputs i32) (param $outputs i32)
    (local $left i32) (local $step i32) (local $end i32) (local $i i32) (local $w i32)
    (local $value v128) (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local $one f32)
    ;; from numbers to bytes
    (local.set $sum (i32.shl (local.get $sum) (i32.const 2)))
    (local.set $x (i32.shl (local.get $x) (i32.const 2)))
    (local.set $weights (i32.shl (local.get $weights) (i32.const 2)))
    (local.set $step (i32.shl (local.get $outputs) (i32.const 2)))
    (local.set $end (i32.add (local.get $x) (i32.shl (local.get $inputs) (i32.const 2))))
    (local.set $left (local.get $outputs))

    (block $done16
      (loop $next16
        (br_if $done16 (i32.lt_u (local.get $left) (i32.const 16)))
        (local.set $a (v128.load align=4 (local.get $sum)))
        (local.set $b (v128.load offset=16 align=4 (local.get $sum)))
        (local.set $c (v128.load offset=32 align=4 (local.get $sum)))
        (local.set $d (v128.load offset=48 align=4 (local.get $sum)))
        (local.set $i (local.get $x))
        (local.set $w (local.get $weights))
        (block $summed
          (loop $next_input
            (br_if $summed (i32.ge_u (local.get $i) (local.get $end)))
            (local.set $value (v128.load32_splat (local.get $i)))
            (local.set $a (f32x4.add (local.get $a) (f32x4.mul (local.get $value)
              (v128.load align=4 (local.get $w)))))
            (local.set $b (f32x4.add (local.get $b) (f32x4.mul (local.get $value)
              (v128.load offset=16 align=4 (local.get $w)))))
            (local.set $c (f32x4.add (local.get $c) (f32x4.mul (local.get $value)
              (v128.load offset=32 align=4 (local.get $w)))))
            (local.set $d (f32x4.add (local.get $d) (f32x4.mul (local.get $value)
              (v128.load offset=48 align=4 (local.get $w)))))
            (local.set $i (i32.add (local.get $i) (i32.const 4)))
            (local.set $w (i32.add (local.get $w) (local.get $step)))
            (br $next_input)))
        (v128.store align=4 (local.get $sum) (local.get $a))
        (v128.store offset=16 align=4 (local.get $sum) (local.get $b))
        (v128.store offset=32 align=4 (local.get $sum) (local.get $c))
        (v128.store offset=48 align=4 (local.get $sum) (local.get $d))
        (local.set $sum (i32.add (local.get $sum) (i32.const 64)))
        (local.set $weights (i32.add (local.get $weights) (i32.const 64)))
        (local.set $left (i32.sub (local.get $left) (i32.const 16)))
        (br $next16)))

    (block $done4
      (loop $next4
        (br_if $done4 (i32.lt_u (local.get $left) (i32.const 4)))
        (local.set $a (v128.load align=4 (local.get $sum)))
        (local.set $i (local.get $x))
        (local.set $w (local.get $weights))
        (block $summed
          (loop $next_input
            (br_if $summed (i32.ge_u (local.get $i) (local.get $end)))
            (local.set $a (f32x4.add (local.get $a) (f32x4.mul
              (v128.load32_splat (local.get $i)) (v128.load align=4 (local.get $w)))))
            (local.set $i (i32.add (local.get $i) (i32.const 4)))
            (local.set $w (i32.add (local.get $w) (local.get $step)))
            (br $next_input)))
        (v128.store align=4 (local.get $sum) (local.get $a))
        (local.set $sum (i32.add (local.get $sum) (i32.const 16)))
        (local.set $weights (i32.add (local.get $weights) (i32.const 16)))
        (local.set $left (i32.sub (local.get $left) (i32.const 4)))
        (br $next4)))

    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (local.set $one (f32.load (local.get $sum)))
        (local.set $i (local.get $x))
        (local.set $w (local.get $weights))
        (block $summed
          (loop $next_input
            (br_if $summed (i32.ge_u (local.get $i) (local.get $end)))
            (local.set $one (f32.add (local.get $one) (f32.mul
              (f32.load (local.get $i)) (f32.load (local.get $w)))))
            (local.set $i (i32.add (local.get $i) (i32.const 4)))
            (local.set $w (i32.add (local.get $w) (local.get $step)))
            (br $next_input)))
        (f32.store (local.get $sum) (local.get $one))
        (local.set $sum (i32.add (local.get $sum) (i32.const 4)))
        (local.set $weights (i32.add (local.get $weights) (i32.const 4)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))))
