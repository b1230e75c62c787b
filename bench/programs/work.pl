#!/usr/bin/perl
# work.pl - typical Perl work: hashes, regular expressions, sorting, closures, big numbers; prints checksums.
use strict;
use warnings;
use Digest::MD5 qw(md5_hex);
use Math::BigInt;

my $seed = 42;
sub random { $seed = ($seed * 1103515245 + 12345) & 0x7fffffff; return ($seed >> 8) % $_[0]; }

my (%count, @lines);
for (1 .. 30000) {
    my $line = join ' ', map { join '', map { chr(97 + random(6)) } 1 .. 1 + random(4) } 1 .. 4;
    push @lines, $line;
    $count{$_}++ for split / /, $line;
}
print 'perl words ', md5_hex(join ',', map { "$_=$count{$_}" } sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count), "\n";

my $hits = 0;
for (@lines) {
    $hits++ if /^(a+|b)(.*?)\1/;
    (my $copy = $_) =~ s/([a-c]+)([d-f]+)/\u$2$1/g;
    $hits += length $1 if $copy =~ /(\S+)$/;
    $hits += tr/e//;
}
print "perl regex ", md5_hex($hits), "\n";

my @sieve = (1) x 200000;
for (my $i = 2; $i * $i < @sieve; $i++) {
    next unless $sieve[$i];
    for (my $j = $i * $i; $j < @sieve; $j += $i) { $sieve[$j] = 0 }
}
print "perl sieve ", md5_hex(join ',', grep { $sieve[$_] } 2 .. $#sieve), "\n";

my $factorial = Math::BigInt->new(1);
$factorial *= $_ for 1 .. 150;
print "perl bigint ", md5_hex("$factorial"), "\n";

my @counters = map { my $n = $_; sub { return $n += shift } } 1 .. 50;
my $sum = 0;
for my $i (1 .. 4000) { $sum = ($sum * 31 + $_->($i)) % 1000003 for @counters }
print "perl closures ", md5_hex($sum), "\n";
print "perl pack ", md5_hex(join '', map { pack 'NvCa*', $_ * 2654435761 % 4294967296, $_ % 65536, $_ % 256, $_ } 1 .. 50000), "\n";
