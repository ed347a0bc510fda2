# Draw again, in the folder above: gnuplot -d data/cell-06.gp
NAME = "cell-06"
WIDTH = 960
HEIGHT = 640
LOW = 150.65645
HIGH = 196.96971
PROCESSES = 5
ROUNDS = 140

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

# Blocks 0-2: turns of base, base2, head; 3: process starts; 4-6: distributions. T[1]: label of time.
array T[1]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
array L[3] = ["base", "base again", "head"]
array Q[3] = [1, 6, 2]
set multiplot
set lmargin at screen 0.09
set rmargin at screen 0.98
set bmargin at screen 0.56
set tmargin at screen 0.92
set xrange [-1:ROUNDS]
set yrange [LOW:HIGH]
set xlabel "round" offset 0,0.5
set ylabel T[1]
set key at graph 1, graph 1.02 right bottom horizontal maxrows 1 samplen 0.8 width -1
plot DATA index 3 using 1:(LOW):(0):(HIGH - LOW) with vectors nohead linecolor rgb faint linewidth 1 notitle, \
     for [i = 0:2] DATA index i using 1:2 with points pointtype P[i + 1] pointsize 0.55 linecolor rgb C[Q[i + 1]] title L[i + 1]
set bmargin at screen 0.10
set tmargin at screen 0.46
set xrange [LOW:HIGH]
set yrange [0:1]
set ytics 0.25 format "%.2f"
set xlabel T[1]
set ylabel "share of turns"
unset key
plot DATA index 4 using 1:2 with steps linewidth 2 linecolor rgb C[Q[1]] notitle, \
     DATA index 5 using 1:2 with steps linewidth 2 dashtype 2 linecolor rgb C[Q[2]] notitle, \
     DATA index 6 using 1:2 with steps linewidth 2 linecolor rgb C[Q[3]] notitle
unset multiplot
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

# Blocks 0-2: turns of base, base2, head; 3: process starts; 4-6: distributions. T[1]: label of time.
array T[1]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
array L[3] = ["base", "base again", "head"]
array Q[3] = [1, 6, 2]
set multiplot
set lmargin at screen 0.09
set rmargin at screen 0.98
set bmargin at screen 0.56
set tmargin at screen 0.92
set xrange [-1:ROUNDS]
set yrange [LOW:HIGH]
set xlabel "round" offset 0,0.5
set ylabel T[1]
set key at graph 1, graph 1.02 right bottom horizontal maxrows 1 samplen 0.8 width -1
plot DATA index 3 using 1:(LOW):(0):(HIGH - LOW) with vectors nohead linecolor rgb faint linewidth 1 notitle, \
     for [i = 0:2] DATA index i using 1:2 with points pointtype P[i + 1] pointsize 0.55 linecolor rgb C[Q[i + 1]] title L[i + 1]
set bmargin at screen 0.10
set tmargin at screen 0.46
set xrange [LOW:HIGH]
set yrange [0:1]
set ytics 0.25 format "%.2f"
set xlabel T[1]
set ylabel "share of turns"
unset key
plot DATA index 4 using 1:2 with steps linewidth 2 linecolor rgb C[Q[1]] notitle, \
     DATA index 5 using 1:2 with steps linewidth 2 dashtype 2 linecolor rgb C[Q[2]] notitle, \
     DATA index 6 using 1:2 with steps linewidth 2 linecolor rgb C[Q[3]] notitle
unset multiplot
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

# Blocks 0-2: turns of base, base2, head; 3: process starts; 4-6: distributions. T[1]: label of time.
array T[1]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
array L[3] = ["base", "base again", "head"]
array Q[3] = [1, 6, 2]
set multiplot
set lmargin at screen 0.09
set rmargin at screen 0.98
set bmargin at screen 0.56
set tmargin at screen 0.92
set xrange [-1:ROUNDS]
set yrange [LOW:HIGH]
set xlabel "round" offset 0,0.5
set ylabel T[1]
set key at graph 1, graph 1.02 right bottom horizontal maxrows 1 samplen 0.8 width -1
plot DATA index 3 using 1:(LOW):(0):(HIGH - LOW) with vectors nohead linecolor rgb faint linewidth 1 notitle, \
     for [i = 0:2] DATA index i using 1:2 with points pointtype P[i + 1] pointsize 0.55 linecolor rgb C[Q[i + 1]] title L[i + 1]
set bmargin at screen 0.10
set tmargin at screen 0.46
set xrange [LOW:HIGH]
set yrange [0:1]
set ytics 0.25 format "%.2f"
set xlabel T[1]
set ylabel "share of turns"
unset key
plot DATA index 4 using 1:2 with steps linewidth 2 linecolor rgb C[Q[1]] notitle, \
     DATA index 5 using 1:2 with steps linewidth 2 dashtype 2 linecolor rgb C[Q[2]] notitle, \
     DATA index 6 using 1:2 with steps linewidth 2 linecolor rgb C[Q[3]] notitle
unset multiplot
set output

