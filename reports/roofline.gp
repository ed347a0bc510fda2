# Block 0: marks (operations per byte, Gop/s, backend, name); 1: bandwidths (GB/s, name, label); 2: peaks (Gop/s, name, label). T: backends.
array T[BACKENDS + 1]
if (MARKS) { stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput }
array W[BANDS]
array A[PEAKS]
array V[BANDS]
array Q[PEAKS]
stats DATA index 1 using (W[int($0) + 1] = $1, V[int($0) + 1] = strcol(2).strcol(3), 0) nooutput
stats DATA index 2 using (A[int($0) + 1] = $1, Q[int($0) + 1] = strcol(2).strcol(3), 0) nooutput
set logscale xy
set xrange [LEFT:RIGHT]
set yrange [BOTTOM * 1e9:TOP * 1e9]
set xlabel "operations per byte"
set ylabel "operations per second"
set format x "%g"
set format y "%.0s %c"
set key outside right top vertical samplen 2.5
set samples 2
plot for [i = 1:PEAKS] [t = A[i] / W[1]:RIGHT] '+' using (t):(A[i] * 1e9) with lines linewidth 1.5 dashtype i linecolor rgb C[6] title Q[i], \
     for [i = 1:BANDS] [t = LEFT:A[1] / W[i]] '+' using (t):(W[i] * t * 1e9) with lines linewidth 1.5 dashtype i linecolor rgb C[4] title V[i], \
     for [i = 0:BACKENDS - 1] DATA index 0 using 1:($3 == i ? $2 * 1e9 : NaN) with points pointtype shape(i) pointsize 1 linecolor rgb colour(i) title T[i + 1]
set output
