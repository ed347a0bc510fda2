# Draw again, in the folder above: gnuplot -d data/roofline-01.gp
NAME = "roofline-01"
WIDTH = 960
HEIGHT = 600
BACKENDS = 1
MARKS = 52
BANDS = 2
PEAKS = 2
LEFT = 0.124942
RIGHT = 40180.3
BOTTOM = 1295.97
TOP = 3.19655e+06

variant = 0
# What all pictures share. variant: 0 light SVG, 1 dark SVG, 2 light PNG. Names are data and are never typeset or evaluated.
reset
set datafile separator "\t"
set encoding utf8
dark = variant == 1
paper = dark ? "#0f1419" : "#ffffff"
ink = dark ? "#e6edf3" : "#1f2328"
faint = dark ? "#38414d" : "#d5dae1"
band = dark ? "#1d2b3a" : "#e8f0f8"
# Okabe and Ito's palette (safe for colour-blind readers), lightened where the paper is dark; shapes differ too.
array C[8]
C[1] = dark ? 0x56b4e9 : 0x0072b2
C[2] = dark ? 0xff8a4c : 0xd55e00
C[3] = dark ? 0x2fcf9f : 0x009e73
C[4] = dark ? 0xe39ac7 : 0xb6508f
C[5] = dark ? 0xf0b93a : 0xb07a00
C[6] = dark ? 0xa5b4c4 : 0x57606a
C[7] = dark ? 0xbfa6ff : 0x6b4fc4
C[8] = dark ? 0xe6edf3 : 0x1f2328
array P[8] = [7, 5, 9, 13, 11, 6, 4, 8]
colour(i) = C[1 + int(i) % 8]
shape(i) = P[1 + int(i) % 8]
if (variant < 2) { set terminal svg size WIDTH,HEIGHT dynamic background paper font "DejaVu Sans,Helvetica,sans-serif,13" noenhanced }
if (variant == 2) { set terminal pngcairo size WIDTH,HEIGHT background rgb paper font "DejaVu Sans,10.5" noenhanced }
set output NAME.(variant == 0 ? ".svg" : variant == 1 ? "-dark.svg" : ".png")
DATA = "data/".NAME.".tsv"
NAMES = "data/".NAME.".names"
set border 3 linecolor rgb ink linewidth 1
set tics nomirror out textcolor rgb ink
set key textcolor rgb ink noenhanced
set grid linecolor rgb faint linewidth 1
set xlabel textcolor rgb ink
set ylabel textcolor rgb ink
set title textcolor rgb ink noenhanced

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


variant = 1
# What all pictures share. variant: 0 light SVG, 1 dark SVG, 2 light PNG. Names are data and are never typeset or evaluated.
reset
set datafile separator "\t"
set encoding utf8
dark = variant == 1
paper = dark ? "#0f1419" : "#ffffff"
ink = dark ? "#e6edf3" : "#1f2328"
faint = dark ? "#38414d" : "#d5dae1"
band = dark ? "#1d2b3a" : "#e8f0f8"
# Okabe and Ito's palette (safe for colour-blind readers), lightened where the paper is dark; shapes differ too.
array C[8]
C[1] = dark ? 0x56b4e9 : 0x0072b2
C[2] = dark ? 0xff8a4c : 0xd55e00
C[3] = dark ? 0x2fcf9f : 0x009e73
C[4] = dark ? 0xe39ac7 : 0xb6508f
C[5] = dark ? 0xf0b93a : 0xb07a00
C[6] = dark ? 0xa5b4c4 : 0x57606a
C[7] = dark ? 0xbfa6ff : 0x6b4fc4
C[8] = dark ? 0xe6edf3 : 0x1f2328
array P[8] = [7, 5, 9, 13, 11, 6, 4, 8]
colour(i) = C[1 + int(i) % 8]
shape(i) = P[1 + int(i) % 8]
if (variant < 2) { set terminal svg size WIDTH,HEIGHT dynamic background paper font "DejaVu Sans,Helvetica,sans-serif,13" noenhanced }
if (variant == 2) { set terminal pngcairo size WIDTH,HEIGHT background rgb paper font "DejaVu Sans,10.5" noenhanced }
set output NAME.(variant == 0 ? ".svg" : variant == 1 ? "-dark.svg" : ".png")
DATA = "data/".NAME.".tsv"
NAMES = "data/".NAME.".names"
set border 3 linecolor rgb ink linewidth 1
set tics nomirror out textcolor rgb ink
set key textcolor rgb ink noenhanced
set grid linecolor rgb faint linewidth 1
set xlabel textcolor rgb ink
set ylabel textcolor rgb ink
set title textcolor rgb ink noenhanced

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


variant = 2
# What all pictures share. variant: 0 light SVG, 1 dark SVG, 2 light PNG. Names are data and are never typeset or evaluated.
reset
set datafile separator "\t"
set encoding utf8
dark = variant == 1
paper = dark ? "#0f1419" : "#ffffff"
ink = dark ? "#e6edf3" : "#1f2328"
faint = dark ? "#38414d" : "#d5dae1"
band = dark ? "#1d2b3a" : "#e8f0f8"
# Okabe and Ito's palette (safe for colour-blind readers), lightened where the paper is dark; shapes differ too.
array C[8]
C[1] = dark ? 0x56b4e9 : 0x0072b2
C[2] = dark ? 0xff8a4c : 0xd55e00
C[3] = dark ? 0x2fcf9f : 0x009e73
C[4] = dark ? 0xe39ac7 : 0xb6508f
C[5] = dark ? 0xf0b93a : 0xb07a00
C[6] = dark ? 0xa5b4c4 : 0x57606a
C[7] = dark ? 0xbfa6ff : 0x6b4fc4
C[8] = dark ? 0xe6edf3 : 0x1f2328
array P[8] = [7, 5, 9, 13, 11, 6, 4, 8]
colour(i) = C[1 + int(i) % 8]
shape(i) = P[1 + int(i) % 8]
if (variant < 2) { set terminal svg size WIDTH,HEIGHT dynamic background paper font "DejaVu Sans,Helvetica,sans-serif,13" noenhanced }
if (variant == 2) { set terminal pngcairo size WIDTH,HEIGHT background rgb paper font "DejaVu Sans,10.5" noenhanced }
set output NAME.(variant == 0 ? ".svg" : variant == 1 ? "-dark.svg" : ".png")
DATA = "data/".NAME.".tsv"
NAMES = "data/".NAME.".names"
set border 3 linecolor rgb ink linewidth 1
set tics nomirror out textcolor rgb ink
set key textcolor rgb ink noenhanced
set grid linecolor rgb faint linewidth 1
set xlabel textcolor rgb ink
set ylabel textcolor rgb ink
set title textcolor rgb ink noenhanced

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

