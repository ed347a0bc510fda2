# Draw again, in the folder above: gnuplot -d data/throughput-06.gp
NAME = "throughput-06"
WIDTH = 960
HEIGHT = 480
TICS = "1 16 32 64 128 512 2048 8192"
SERIES = 1
WIDE = 1

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

# A curve per series. Columns: x, rate, low, high. T: names of series, then of the x axis, then the unit.
array T[SERIES + 2]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
set logscale x 2
set xtics (1)
unset xtics
set for [i = 1:words(TICS)] xtics add (word(TICS, i) word(TICS, i) + 0) nomirror out textcolor rgb ink
set xlabel T[SERIES + 1]
set ylabel T[SERIES + 2]
if (WIDE) { set logscale y; set yrange [*:*] } else { set yrange [0:*] }
set offsets graph 0.03, graph 0.03, graph 0.05, 0
set key outside right center vertical samplen 2.5
plot for [i = 0:SERIES - 1] DATA index i using 1:2:3:4 with yerrorlines linewidth 2 pointtype shape(i) pointsize 0.9 linecolor rgb colour(i) title T[i + 1]
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

# A curve per series. Columns: x, rate, low, high. T: names of series, then of the x axis, then the unit.
array T[SERIES + 2]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
set logscale x 2
set xtics (1)
unset xtics
set for [i = 1:words(TICS)] xtics add (word(TICS, i) word(TICS, i) + 0) nomirror out textcolor rgb ink
set xlabel T[SERIES + 1]
set ylabel T[SERIES + 2]
if (WIDE) { set logscale y; set yrange [*:*] } else { set yrange [0:*] }
set offsets graph 0.03, graph 0.03, graph 0.05, 0
set key outside right center vertical samplen 2.5
plot for [i = 0:SERIES - 1] DATA index i using 1:2:3:4 with yerrorlines linewidth 2 pointtype shape(i) pointsize 0.9 linecolor rgb colour(i) title T[i + 1]
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

# A curve per series. Columns: x, rate, low, high. T: names of series, then of the x axis, then the unit.
array T[SERIES + 2]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
set logscale x 2
set xtics (1)
unset xtics
set for [i = 1:words(TICS)] xtics add (word(TICS, i) word(TICS, i) + 0) nomirror out textcolor rgb ink
set xlabel T[SERIES + 1]
set ylabel T[SERIES + 2]
if (WIDE) { set logscale y; set yrange [*:*] } else { set yrange [0:*] }
set offsets graph 0.03, graph 0.03, graph 0.05, 0
set key outside right center vertical samplen 2.5
plot for [i = 0:SERIES - 1] DATA index i using 1:2:3:4 with yerrorlines linewidth 2 pointtype shape(i) pointsize 0.9 linecolor rgb colour(i) title T[i + 1]
set output

