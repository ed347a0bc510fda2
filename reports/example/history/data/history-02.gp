# Draw again, in the folder above: gnuplot -d data/history-02.gp
NAME = "history-02"
WIDTH = 960
HEIGHT = 480
RUNS = 16
EVERY = 2
CHANGES = 0

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

# Block 0: run, median, P5, P95, date, commit, is a baseline; block 1: run, level, size of a change. T[1]: label of time.
array T[1]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
set ylabel T[1]
# Medians fill the picture; a bar that is much longer is cut.
stats DATA index 0 using 2 name "M" nooutput
stats DATA index 0 using 3 name "L" nooutput
stats DATA index 0 using 4 name "H" nooutput
set yrange [L_min - 0.1 * (M_max - L_min):(H_max < 1.5 * M_max ? H_max : 1.5 * M_max)]
set xrange [-0.5:RUNS - 0.5]
unset key
set xtics rotate by -35 font ",9" noenhanced
array X[CHANGES + 1]
if (CHANGES) {
  stats DATA index 1 using (X[int($0) + 1] = $1, 0) nooutput
  array S[CHANGES]
  stats DATA index 1 using (S[int($0) + 1] = strcol(3), 0) nooutput
  set for [i = 1:CHANGES] label i S[i] at X[i], graph 0.97 left offset 0.6,0 textcolor rgb C[2] noenhanced
  set for [i = 1:CHANGES] arrow i from X[i], graph 0 to X[i], graph 1 nohead back linecolor rgb C[2] linewidth 2 dashtype 2
}
plot DATA index 0 using 1:2:3:4 with yerrorbars pointtype 0 linewidth 1 linecolor rgb C[6], \
     DATA index 0 using 1:2:xtic(int($1) % EVERY == 0 ? substr(strcol(5), 1, 10) : "") with linespoints linewidth 2 pointtype 7 linecolor rgb C[1], \
     DATA index 0 using 1:($7 == 1 ? $2 : NaN) with points pointtype 5 pointsize 1.6 linecolor rgb C[4]
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

# Block 0: run, median, P5, P95, date, commit, is a baseline; block 1: run, level, size of a change. T[1]: label of time.
array T[1]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
set ylabel T[1]
# Medians fill the picture; a bar that is much longer is cut.
stats DATA index 0 using 2 name "M" nooutput
stats DATA index 0 using 3 name "L" nooutput
stats DATA index 0 using 4 name "H" nooutput
set yrange [L_min - 0.1 * (M_max - L_min):(H_max < 1.5 * M_max ? H_max : 1.5 * M_max)]
set xrange [-0.5:RUNS - 0.5]
unset key
set xtics rotate by -35 font ",9" noenhanced
array X[CHANGES + 1]
if (CHANGES) {
  stats DATA index 1 using (X[int($0) + 1] = $1, 0) nooutput
  array S[CHANGES]
  stats DATA index 1 using (S[int($0) + 1] = strcol(3), 0) nooutput
  set for [i = 1:CHANGES] label i S[i] at X[i], graph 0.97 left offset 0.6,0 textcolor rgb C[2] noenhanced
  set for [i = 1:CHANGES] arrow i from X[i], graph 0 to X[i], graph 1 nohead back linecolor rgb C[2] linewidth 2 dashtype 2
}
plot DATA index 0 using 1:2:3:4 with yerrorbars pointtype 0 linewidth 1 linecolor rgb C[6], \
     DATA index 0 using 1:2:xtic(int($1) % EVERY == 0 ? substr(strcol(5), 1, 10) : "") with linespoints linewidth 2 pointtype 7 linecolor rgb C[1], \
     DATA index 0 using 1:($7 == 1 ? $2 : NaN) with points pointtype 5 pointsize 1.6 linecolor rgb C[4]
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

# Block 0: run, median, P5, P95, date, commit, is a baseline; block 1: run, level, size of a change. T[1]: label of time.
array T[1]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
set ylabel T[1]
# Medians fill the picture; a bar that is much longer is cut.
stats DATA index 0 using 2 name "M" nooutput
stats DATA index 0 using 3 name "L" nooutput
stats DATA index 0 using 4 name "H" nooutput
set yrange [L_min - 0.1 * (M_max - L_min):(H_max < 1.5 * M_max ? H_max : 1.5 * M_max)]
set xrange [-0.5:RUNS - 0.5]
unset key
set xtics rotate by -35 font ",9" noenhanced
array X[CHANGES + 1]
if (CHANGES) {
  stats DATA index 1 using (X[int($0) + 1] = $1, 0) nooutput
  array S[CHANGES]
  stats DATA index 1 using (S[int($0) + 1] = strcol(3), 0) nooutput
  set for [i = 1:CHANGES] label i S[i] at X[i], graph 0.97 left offset 0.6,0 textcolor rgb C[2] noenhanced
  set for [i = 1:CHANGES] arrow i from X[i], graph 0 to X[i], graph 1 nohead back linecolor rgb C[2] linewidth 2 dashtype 2
}
plot DATA index 0 using 1:2:3:4 with yerrorbars pointtype 0 linewidth 1 linecolor rgb C[6], \
     DATA index 0 using 1:2:xtic(int($1) % EVERY == 0 ? substr(strcol(5), 1, 10) : "") with linespoints linewidth 2 pointtype 7 linecolor rgb C[1], \
     DATA index 0 using 1:($7 == 1 ? $2 : NaN) with points pointtype 5 pointsize 1.6 linecolor rgb C[4]
set output

