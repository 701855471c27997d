// <Z> of a circuit of real rotations and diagonals, and its gradients, for many rows of inputs at once.
//
// program.py writes the circuit as |psi> = D_n R_n ... D_1 R_1 |product of RY|, read out in a turned basis:
//
//     RY(a) on qubit q          a = input + weight, of which either may be missing
//     D = exp(-i sum_g w_g lambda_g)       lambda_g (2^r,) real: RZ, CRZ and CZ
//     <Z> after a last RY(f)    = cos f <Z> - sin f <X>
//
// Each lane of a vector is one row, so a row's result does not depend on its neighbours. Rows are cut into blocks of
// fixed size, whose gradients of the weights are added in order: results do not depend on the number of threads.
// The backward keeps nothing: it runs the circuit again, then walks back, undoing each step (all are unitary).
//
// Compiled for one number of qubits, QUBITS, and one type, REAL (float or double).

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

#if defined(__AVX__)
constexpr int BYTES = 32;
#else
constexpr int BYTES = 16;
#endif
constexpr int64_t BLOCK = 256;  // rows
constexpr int MOST_INPUTS = 16;

template <class T> struct Types;
template <> struct Types<float> {
    typedef float V __attribute__((vector_size(BYTES)));
    typedef int32_t I __attribute__((vector_size(BYTES)));
};
template <> struct Types<double> {
    typedef double V __attribute__((vector_size(BYTES)));
    typedef int64_t I __attribute__((vector_size(BYTES)));
};

// sine and cosine: reduction to [-pi/4, pi/4] by three parts of pi/2, then minimax polynomials (Cephes; fdlibm)
template <class T> struct Trig;
template <> struct Trig<float> {
    static constexpr float PARTS[3] = {1.5703125f, 4.837512969970703125e-4f, 7.549789954891882e-8f};
    static constexpr float LIMIT = 4096;  // beyond, the first two products are not exact
    static constexpr float ROUND = 12582912;  // 1.5 * 2^23
    template <class V> static V sine(V x, V z) {
        return x + x * z * ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f);
    }
    template <class V> static V cosine(V z) {
        return 1 - 0.5f * z + z * z * ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f);
    }
};
template <> struct Trig<double> {
    static constexpr double PARTS[3] = {1.57079632673412561417e+00, 6.07710050630396597660e-11,
                                        2.02226624879595063154e-21};
    static constexpr double LIMIT = 1e5;
    static constexpr double ROUND = 6755399441055744;  // 1.5 * 2^52
    template <class V> static V sine(V x, V z) {
        V p = 1.58969099521155010221e-10 * z - 2.50507602534068634195e-08;
        p = (p * z + 2.75573137070700676789e-06) * z - 1.98412698298579493134e-04;
        p = (p * z + 8.33333333332248946124e-03) * z - 1.66666666666666324348e-01;
        return x + x * z * p;
    }
    template <class V> static V cosine(V z) {
        V p = -1.13596475577881948265e-11 * z + 2.08757232129817482790e-09;
        p = (p * z - 2.75573143513906633035e-07) * z + 2.48015872894767294178e-05;
        p = (p * z - 1.38888888888741095749e-03) * z + 4.16666666666666019037e-02;
        return 1 - 0.5 * z + z * z * p;
    }
};

template <class T> struct Kernel {
    using V = typename Types<T>::V;
    using I = typename Types<T>::I;
    static constexpr int LANES = BYTES / sizeof(T);

    static V load(const T* p, int rows) {
        V v = {};
        std::memcpy(&v, p, rows < LANES ? rows * sizeof(T) : sizeof(V));
        return v;
    }
    static void store(T* p, V v, int rows) { std::memcpy(p, &v, rows < LANES ? rows * sizeof(T) : sizeof(V)); }
    static double sum(V v) {
        double out = 0;
        for (int l = 0; l < LANES; ++l) out += v[l];
        return out;
    }

    static void sincos(V x, V& s, V& c) {
        using F = Trig<T>;
        const T to_quarters = T(0.63661977236758134308);
        V n = (x * to_quarters + F::ROUND) - F::ROUND;
        V y = ((x - n * F::PARTS[0]) - n * F::PARTS[1]) - n * F::PARTS[2];
        V z = y * y, a = F::sine(y, z), b = F::cosine(z);
        I k = __builtin_convertvector(n, I), odd = (k & 1) != 0;
        V sine = odd ? b : a, cosine = odd ? a : b;
        s = (k & 2) != 0 ? -sine : sine;
        c = ((k + 1) & 2) != 0 ? -cosine : cosine;
        I far = (x > F::LIMIT) | (x < -F::LIMIT) | (x != x);
        bool any = false;
        for (int l = 0; l < LANES; ++l) any |= far[l] != 0;
        if (any)
            for (int l = 0; l < LANES; ++l)
                if (far[l]) s[l] = std::sin(x[l]), c[l] = std::cos(x[l]);
    }

    // as program.py packs it; every count and index is checked there
    struct Program {
        int qubits, inputs, angles, ops, diagonals, terms;
        const int32_t* start;    // (r, 2): input and weight of the first RY of each qubit, -1: none
        const int32_t* op;       // (ops, 4): 0, qubit, input, weight; or 1, which diagonal, whether the state is real, 0
        const int32_t* last;     // (r,): weight of the last RY of each qubit, -1: none
        const int32_t* term;     // (terms, 2): diagonal and weight
        const double* generator; // (terms, 2^r)
        bool real;               // whether the state stays real: no diagonal at all
    };

    struct Angle {
        T c, s;  // of half the weight, as in RY
    };

    // what depends on the weights alone
    struct Bound {
        std::vector<Angle> half, whole;  // of every weight
        std::vector<T> phases;           // (diagonals, 2, 2^r): cosines and sines
    };

    static Bound bind(const Program& p, const double* weights) {
        Bound b;
        const int64_t N = int64_t(1) << p.qubits;
        for (int k = 0; k < p.angles; ++k) {
            b.half.push_back({T(std::cos(weights[k] / 2)), T(std::sin(weights[k] / 2))});
            b.whole.push_back({T(std::cos(weights[k])), T(std::sin(weights[k]))});
        }
        std::vector<double> angle(p.diagonals * N);
        for (int g = 0; g < p.terms; ++g) {
            double* a = &angle[p.term[2 * g] * N];
            const double w = weights[p.term[2 * g + 1]], *lambda = p.generator + g * N;
            for (int64_t i = 0; i < N; ++i) a[i] += w * lambda[i];
        }
        b.phases.resize(2 * p.diagonals * N);
        for (int d = 0; d < p.diagonals; ++d)
            for (int64_t i = 0; i < N; ++i) {
                b.phases[2 * d * N + i] = T(std::cos(angle[d * N + i]));
                b.phases[(2 * d + 1) * N + i] = T(std::sin(angle[d * N + i]));
            }
        return b;
    }

    // The state of LANES rows and what a backward needs beside it.
    struct Rows {
        V *re, *im, *lre, *lim;        // psi and dL/dpsi, (2^r,) each
        V c[MOST_INPUTS], s[MOST_INPUTS];  // of half of each input
    };

    static void angle(const Bound& b, const Rows& x, int input, int weight, V& c, V& s) {
        if (input < 0) {
            c = V{} + b.half[weight].c, s = V{} + b.half[weight].s;
        } else if (weight < 0) {
            c = x.c[input], s = x.s[input];
        } else {
            const Angle w = b.half[weight];
            c = x.c[input] * w.c - x.s[input] * w.s, s = x.s[input] * w.c + x.c[input] * w.s;
        }
    }

    template <int R> struct Sized {
        static constexpr int N = 1 << R;

        static void turn(V* __restrict a, int q, V c, V s) {  // RY: (a0, a1) -> (c a0 - s a1, s a0 + c a1)
            const int h = N >> (q + 1);
            for (int base = 0; base < N; base += 2 * h)
                for (int i = base; i < base + h; ++i) {
                    const V a0 = a[i], a1 = a[i + h];
                    a[i] = c * a0 - s * a1, a[i + h] = s * a0 + c * a1;
                }
        }

        static V torque(const V* l, const V* a, int q) {  // dL/d(half angle) of an RY, after it
            const int h = N >> (q + 1);
            V out = {};
            for (int base = 0; base < N; base += 2 * h)
                for (int i = base; i < base + h; ++i) out += l[i + h] * a[i] - l[i] * a[i + h];
            return out;
        }

        static void forward(const Program& p, const Bound& b, Rows& x) {
            x.re[0] = V{} + T(1);
            for (int q = 0; q < R; ++q) {  // the product state, qubit 0 slowest
                V c, s;
                angle(b, x, p.start[2 * q], p.start[2 * q + 1], c, s);
                for (int i = (1 << q) - 1; i >= 0; --i) {
                    const V a = x.re[i];
                    x.re[2 * i + 1] = a * s, x.re[2 * i] = a * c;
                }
            }
            bool real = true;
            for (int k = 0; k < p.ops; ++k) {
                const int32_t* op = p.op + 4 * k;
                if (op[0] == 0) {
                    V c, s;
                    angle(b, x, op[2], op[3], c, s);
                    turn(x.re, op[1], c, s);
                    if (!real) turn(x.im, op[1], c, s);
                    continue;
                }
                const T *c = &b.phases[2 * op[1] * N], *s = c + N;
                if (real)
                    for (int i = 0; i < N; ++i) x.im[i] = -x.re[i] * s[i], x.re[i] = x.re[i] * c[i];
                else
                    for (int i = 0; i < N; ++i) {
                        const V re = x.re[i], im = x.im[i];
                        x.re[i] = re * c[i] + im * s[i], x.im[i] = im * c[i] - re * s[i];
                    }
                real = false;
            }
        }

        // <Z> and, of the qubits with a last RY, <X>; lre is used as room
        static void moments(const Program& p, Rows& x, V* z, V* xs) {
            for (int i = 0; i < N; ++i) x.lre[i] = x.re[i] * x.re[i];
            if (!p.real)
                for (int i = 0; i < N; ++i) x.lre[i] += x.im[i] * x.im[i];
            for (int q = R - 1; q >= 0; --q) {
                V total = {};
                for (int i = 0; i < 1 << q; ++i) {
                    const V a = x.lre[2 * i], c = x.lre[2 * i + 1];
                    total += a - c, x.lre[i] = a + c;
                }
                z[q] = total;
            }
            for (int q = 0; q < R; ++q) {
                if (p.last[q] < 0) continue;
                const int h = N >> (q + 1);
                V total = {};
                for (int base = 0; base < N; base += 2 * h)
                    for (int i = base; i < base + h; ++i) total += x.re[i] * x.re[i + h];
                if (!p.real)
                    for (int base = 0; base < N; base += 2 * h)
                        for (int i = base; i < base + h; ++i) total += x.im[i] * x.im[i + h];
                xs[q] = 2 * total;
            }
        }

        // dL/dpsi = 2 sum_k g_k (cos f_k Z_k - sin f_k X_k) psi for one part of psi; d: 2 sum_k g_k cos f_k Z_k
        static void pull(const Program& p, const Bound& b, const V* g, const V* d, const V* a, V* l) {
            for (int i = 0; i < N; ++i) l[i] = d[i] * a[i];
            for (int q = 0; q < R; ++q) {
                if (p.last[q] < 0) continue;
                const V f = g[q] * (-2 * b.whole[p.last[q]].s);
                const int h = N >> (q + 1);
                for (int base = 0; base < N; base += 2 * h)
                    for (int i = base; i < base + h; ++i) l[i] += f * a[i + h], l[i + h] += f * a[i];
            }
        }

        static void run_forward(const Program& p, const Bound& b, Rows& x, V* out) {
            V z[R], xs[R];
            forward(p, b, x);
            moments(p, x, z, xs);
            for (int q = 0; q < R; ++q) {
                out[q] = z[q];
                if (p.last[q] >= 0) out[q] = z[q] * b.whole[p.last[q]].c - xs[q] * b.whole[p.last[q]].s;
            }
        }

        // g: upstream (r,); dz: (inputs,), added to; dw: sums over rows of every weight; dd: of every phase
        static void run_backward(const Program& p, const Bound& b, Rows& x, const V* g, V* dz, V* dw, V* dd) {
            V z[R], xs[R];
            forward(p, b, x);
            moments(p, x, z, xs);
            V* d = x.lim;
            d[0] = V{};
            for (int q = 0; q < R; ++q) {
                const int w = p.last[q];
                const T c = w < 0 ? T(1) : b.whole[w].c;
                if (w >= 0) dw[w] -= g[q] * (z[q] * b.whole[w].s + xs[q] * c);
                const V f = g[q] * (2 * c);
                for (int i = (1 << q) - 1; i >= 0; --i) {
                    const V a = d[i];
                    d[2 * i + 1] = a - f, d[2 * i] = a + f;
                }
            }
            pull(p, b, g, d, x.re, x.lre);
            bool real = p.real;
            if (!real) pull(p, b, g, d, x.im, x.lim);  // d lies there: each entry is read before it is written
            for (int k = p.ops - 1; k >= 0; --k) {
                const int32_t* op = p.op + 4 * k;
                if (op[0] == 0) {
                    V c, s, t = torque(x.lre, x.re, op[1]);
                    if (!real) t += torque(x.lim, x.im, op[1]);
                    t *= T(0.5);
                    if (op[2] >= 0) dz[op[2]] += t;
                    if (op[3] >= 0) dw[op[3]] += t;
                    angle(b, x, op[2], op[3], c, s);
                    turn(x.re, op[1], c, -s), turn(x.lre, op[1], c, -s);
                    if (!real) turn(x.im, op[1], c, -s), turn(x.lim, op[1], c, -s);
                    continue;
                }
                const T *c = &b.phases[2 * op[1] * N], *s = c + N;
                V* grad = dd + op[1] * N;
                real = op[2] != 0;
                for (int i = 0; i < N; ++i) {
                    const V re = x.re[i], im = x.im[i], lre = x.lre[i], lim = x.lim[i];
                    grad[i] += lre * im - lim * re;
                    x.re[i] = re * c[i] - im * s[i], x.lre[i] = lre * c[i] - lim * s[i];
                    if (!real) x.im[i] = im * c[i] + re * s[i], x.lim[i] = lim * c[i] + lre * s[i];
                }
            }
            for (int q = 0; q < R; ++q) {
                const V t = torque(x.lre, x.re, q) * T(0.5);
                if (p.start[2 * q] >= 0) dz[p.start[2 * q]] += t;
                if (p.start[2 * q + 1] >= 0) dw[p.start[2 * q + 1]] += t;
            }
        }
    };

    // Rows first ... last of z (inputs, rows). Without grad: out (r, rows). With: dz (inputs, rows) and dw (angles,).
    template <int R>
    static void block(const Program& p, const Bound& b, V* room, const T* z, int64_t z_stride, const T* grad,
                      int64_t grad_stride, T* out, int64_t rows, int64_t first, int64_t last, double* dw) {
        constexpr int N = 1 << R;
        Rows x{room, room + N, room + 2 * N, room + 3 * N, {}, {}};
        V *by_weight = room + 4 * N, *by_phase = by_weight + p.angles, g[R], result[MOST_INPUTS];
        if (grad) std::memset(by_weight, 0, (p.angles + p.diagonals * N) * sizeof(V));
        for (int64_t t = first; t < last; t += LANES) {
            const int some = int(last - t < LANES ? last - t : LANES);
            for (int k = 0; k < p.inputs; ++k) sincos(load(z + k * z_stride + t, some) * T(0.5), x.s[k], x.c[k]);
            if (!grad) {
                Sized<R>::run_forward(p, b, x, result);
                for (int q = 0; q < R; ++q) store(out + q * rows + t, result[q], some);
                continue;
            }
            for (int q = 0; q < R; ++q) g[q] = load(grad + q * grad_stride + t, some);
            for (int k = 0; k < p.inputs; ++k) result[k] = V{};
            Sized<R>::run_backward(p, b, x, g, result, by_weight, by_phase);
            for (int k = 0; k < p.inputs; ++k) store(out + k * rows + t, result[k], some);
        }
        if (!grad) return;
        for (int k = 0; k < p.angles; ++k) dw[k] = sum(by_weight[k]);
        std::vector<double> phase(p.diagonals * N);
        for (int i = 0; i < p.diagonals * N; ++i) phase[i] = sum(by_phase[i]);
        for (int k = 0; k < p.terms; ++k) {
            const double *lambda = p.generator + k * N, *of = &phase[p.term[2 * k] * N];
            double total = 0;
            for (int i = 0; i < N; ++i) total += lambda[i] * of[i];
            dw[p.term[2 * k + 1]] += total;
        }
    }

    static int run(const Program& p, const double* weights, const T* z, int64_t z_stride, const T* grad,
                   int64_t grad_stride, T* out, int64_t rows, double* dw, int threads) {
        if (p.qubits != QUBITS || p.inputs > MOST_INPUTS) return 1;
        const Bound bound = bind(p, weights);
        const int64_t blocks = (rows + BLOCK - 1) / BLOCK, N = int64_t(1) << p.qubits;
        const size_t room = (4 * N + p.angles + p.diagonals * N) * sizeof(V);
        std::vector<double> parts(dw ? blocks * p.angles : 0);
        bool failed = false;
#pragma omp parallel num_threads(threads) if (threads > 1 && blocks > 1)
        {
            V* own = static_cast<V*>(std::aligned_alloc(BYTES, room));
            if (!own) failed = true;
#pragma omp for schedule(static)
            for (int64_t k = 0; k < blocks; ++k) {
                if (!own) continue;
                const int64_t last = (k + 1) * BLOCK < rows ? (k + 1) * BLOCK : rows;
                block<QUBITS>(p, bound, own, z, z_stride, grad, grad_stride, out, rows, k * BLOCK, last,
                        dw ? &parts[k * p.angles] : nullptr);
            }
            std::free(own);
        }
        if (dw)
            for (int a = 0; a < p.angles; ++a) {
                double total = 0;
                for (int64_t k = 0; k < blocks; ++k) total += parts[k * p.angles + a];
                dw[a] = total;
            }
        return failed;
    }

    static int call(const int32_t* sizes, const int32_t* tables, const double* generator, const double* weights,
                    const T* z, int64_t z_stride, const T* grad, int64_t grad_stride, T* out, int64_t rows, double* dw,
                    int threads) {
        Program p{sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], tables, nullptr, nullptr, nullptr,
                  generator, sizes[4] == 0};
        p.op = p.start + 2 * p.qubits;
        p.last = p.op + 4 * p.ops;
        p.term = p.last + p.qubits;
        return run(p, weights, z, z_stride, grad, grad_stride, out, rows, dw, threads);
    }
};

}  // namespace

// dw null: out (r, rows) = <Z>. Else out (inputs, rows) = dL/dz and dw (angles,) = dL/dweights. 0 where all went well.
extern "C" int qft_circuit(const int32_t* sizes, const int32_t* tables, const double* generator, const double* weights,
                           const REAL* z, int64_t z_stride, const REAL* grad, int64_t grad_stride, REAL* out,
                           int64_t rows, double* dw, int threads) {
    return Kernel<REAL>::call(sizes, tables, generator, weights, z, z_stride, grad, grad_stride, out, rows, dw, threads);
}
