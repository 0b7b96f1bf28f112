"""Writes the files of this folder: NAME.csv, and NAME.options where it is not read by the defaults.

What each is to give is in NAME.golden: `BLESS=1 cargo test --test corpus` writes those anew; look at what changed.
The kinds of pollution are those of Pollock (Vitagliano et al., VLDB 2023); the files are our own.
"""

import pathlib

HERE = pathlib.Path(__file__).parent
CASES = {}


def case(name, data, **options):
    assert name not in CASES, name
    data = data if isinstance(data, bytes) else data.encode()
    CASES[name] = (data, options)


# The plain file, and RFC 4180.
case("plain", "a,b,c\n1,x,2.5\n2,y,3.5\n")
case("rfc_crlf", "a,b\r\n1,x\r\n2,y\r\n")
case("rfc_no_last_line_end", "a,b\r\n1,x\r\n2,y")
case("rfc_quoted", '"a","b"\r\n"1","x"\r\n')
case("rfc_quoted_delimiter", 'a,b\n"1,5",x\n')
case("rfc_quoted_line_break", 'a,b\n"1\r\n2",x\n3,"\n"\n')
case("rfc_doubled_quotes", 'a,b\n"say ""no""",x\n"""",""""""\n')
case("rfc_empty_fields", "a,b,c\n,,\n1,,\n")
case("rfc_spaces_are_data", "a,b\n x , y \n")
case("quoted_empty_is_text", 'a,b\n"",x\n,y\n')
case("quote_inside_unquoted", 'a,b\n5" pipe,x\n"6"" pipe",y\n')
case("text_behind_closing_quote", 'a,b\n"x"y,1\n"x" ,2\n')
case("quotes_only", 'a,b\n"""","""\n"""\n"","\n,\n"\n')
case("one_column", "a\n1\n2\n")
case("one_column_blank", "a\n1\n\n2\n\n")
case("one_column_quoted_empty", 'a\n"x"\n""\n')
case("header_only", "a,b\n")
case("header_only_no_line_end", "a,b")
case("empty", "")
case("blank_only", "\n\n\r\n")
case("leading_blank_lines", "\n\r\n\na,b\n1,2\n")
case("double_last_line_end", "a,b\n1,2\n\n")
case("mixed_lf_crlf", "a,b\n1,2\r\n3,4\n")
case("bom", b"\xef\xbb\xbfa,b\n1,2\n")
case("bom_quoted", b'\xef\xbb\xbf"a","b"\n1,2\n')
case("nul_in_field", b"a,b\nx\0y,1\n")
case("unicode", "ä,日本,🦀\nö,本,é\n")
case("duplicate_names", "a,a,a.1\n1,2,3\n")
case("empty_names", ",b,\n1,2,3\n")
case("names_with_spaces", " a , b c \n1,2\n")
case("long_field", "a,b\n" + "x" * 3000 + ",1\n")
case("wide", ",".join(f"c{i}" for i in range(70)) + "\n" + ",".join(map(str, range(70))) + "\n")

# Field delimiters.
for name, delimiter in [("semicolon", ";"), ("tab", "\t"), ("pipe", "|"), ("space", " "), ("colon", ":"), ("tilde", "~"),
                        ("caret", "^"), ("unit_separator", "\x1f"), ("letter", "x"), ("digit", "7")]:
    case(f"delimiter_{name}", delimiter.join("ab") + "\n" + delimiter.join("12") + "\n" + f'"{delimiter}"{delimiter}4\n',
         delimiter=delimiter)
for name, delimiter in [("two_pipes", "||"), ("comma_space", ", "), ("arrow", "->"), ("section", "§"), ("eight", "<-------"),
                        ("same_twice", ",,")]:
    case(f"delimiter_{name}", f"a{delimiter}b\n1{delimiter}2\n\"{delimiter}\"{delimiter}4\n{delimiter}\n", delimiter=delimiter)
case("delimiter_half", "a||b\nx|y||z|\n|||1\n", delimiter="||")
case("delimiter_wrong", "a;b\n1,5;2\n")
case("delimiter_too_long", "a,b\n1,2\n", delimiter="123456789")
case("delimiter_tab_named", "a\tb\n1\t2\n", delimiter="\\t")

# Quotes and escapes.
case("quote_single", "a,b\n'x,y','it''s'\n\"q\",1\n", quote="'")
case("quote_none", 'a,b\n"x,y"\n5",6"\n', quote="")
case("quote_backtick", "a,b\n`x,\ny`,2\n", quote="`")
case("quote_is_delimiter", "a,b\n1,2\n", quote=",")
case("escape_backslash", 'a,b\n"x\\"y","\\\\"\nx\\,y,z\\\\\n', escape="\\")
case("escape_line_break", "a,b\nx\\\ny,1\nz\\\r\nw,2\n", escape="\\")
case("escape_and_doubled", 'a,b\n"x""y","z\\"w"\n', escape="\\")
case("escape_at_end", "a,b\n1,2\\", escape="\\")
case("escape_is_quote", 'a,b\n"x""y",2\n', escape='"')
case("escape_other", "a,b\n\"x!\"y\",!!\n", escape="!")
case("escape_before_delimiter", "a||b\nx\\||y||z\n", escape="\\", delimiter="||")
case("escape_unset", 'a,b\n"x\\",2\n')

# Comments.
case("comment_hash", "#x,\"\na,b\n#1,2\n1,2\n #3,4\n", comment="#")
case("comment_two_slashes", "// x\na,b\n/1,2\n//\n1,2\n", comment="//")
case("comment_not_behind_fields", "a,b\n1,2 # x\n", comment="#")
case("comment_in_quotes", 'a,b\n"\n#x",2\n', comment="#")
case("comment_last_line", "a,b\n1,2\n# end", comment="#")
case("comment_only", "# a\n# b\n", comment="#")
case("comment_trimmed", "a,b\n  # x\n1,2\n", comment="#", trim="true")
case("comment_with_cr", "#x\ra,b\r1,2\r", comment="#")

# Line ends.
case("line_end_cr", "a,b\r1,2\r3,4\r")
case("line_end_cr_no_last", "a,b\r1,2\r3,4")
case("line_end_cr_quoted", 'a,b\r"1\r2",3\r')
case("line_end_cr_told", "a,b\r1,\n2\r", line_end="cr")
case("line_end_any", "a,b\n1,2\r3,4\r\n5,6\n", line_end="any")
case("line_end_any_blank", "a,b\r\r\n\n\r1,2\n\r", line_end="any")
case("line_end_crlf_alone", "a,b\r\n1\n2,3\r4\r\n", line_end="crlf")
case("line_end_lf_told", "a,b\n1\r,2\n", line_end="lf")
case("line_end_cr_in_field", "a,b\n1\rx,2\n")
case("line_end_crcrlf", "a,b\r\r\n1,2\r\r\n", line_end="any")

# Headers, preambles, footnotes.
case("header_none", "1,x\n2,y\n", header="false")
case("header_none_one_line", "1,x", header="false")
case("header_none_blank", "\n\n1,x\n", header="false")
case("header_given", "1,x\n2,y\n", names="id,name")
case("header_replaced", "a,b\n1,x\n", names="id,name", header="true")
case("header_given_too_few", "1,x,y\n", names="id,name")
case("header_given_twice", "1,x\n", names="id,id")
case("header_at_3", "Sales\n\na,b\n1,2\n", header="3")
case("header_at_0", "a,b\n1,2\n", header="0")
case("header_multirow", "a,b\nx,y\n1,2\n", skip="1")
case("preamble", "Title, of it\n\"unclosed\na,b\n1,2\n", skip="2")
case("preamble_crlf", "Title\r\n\r\na,b\r\n1,2\r\n", skip="2")
case("preamble_cr", "Title\ra,b\r1,2\r", skip="1")
case("preamble_unskipped", "Title\na,b\n1,2\n")
case("preamble_beyond", "a,b\n1,2\n", skip="9")
case("footnote", "a,b\n1,2\n3,4\nTotal: \"2\n(source: us)\n", skip_footer="2")
case("footnote_blank", "a,b\n1,2\nTotal\n\n\n", skip_footer="1")
case("footnote_crlf", "a,b\r\n1,2\r\nTotal\r\n", skip_footer="1")
case("footnote_no_line_end", "a,b\n1,2\nTotal", skip_footer="1")
case("footnote_beyond", "a,b\n1,2\n", skip_footer="9")
case("footnote_unskipped", "a,b\n1,2\nTotal\n")
case("preamble_and_footnote", "T\na,b\n1,2\nS\n", skip="1", skip_footer="1")

# Ragged rows.
for how in ["error", "fill", "truncate"]:
    case(f"ragged_short_{how}", "a,b,c\n1,2,3\n4\n5,6\n7,8,9\n", ragged=how)
    case(f"ragged_long_{how}", "a,b\n1,2\n3,4,5\n6,7,,\n", ragged=how)
    case(f"ragged_mixed_{how}", 'a,b\r\n1\r\n"2","3","4"\r\n5,6\r\n', ragged=how)
case("ragged_tables_less", "a,b,c\n1,2,3\nx,y\n4,5\n", ragged="truncate")
case("ragged_tables_more", "a,b\n1,2\nx,y,z\n4,5,6\n", ragged="truncate")
case("ragged_tables_same", "a,b\n1,2\na,b\n3,4\n")
case("ragged_more_separator", "a,b,c\n1,,2,3\n", ragged="truncate")
case("ragged_less_separator", "a,b,c\n12,3\n", ragged="fill")
case("ragged_other_delimiter", "a,b\n1,2\n3;4\n", ragged="fill")
case("ragged_last", "a,b\n1,2\n3", ragged="fill")

# Blank lines and padding.
case("blank_kept", "a,b\n\n1,2\n\n", blank_lines="keep")
case("blank_kept_one_column", "a\n\n1\n", blank_lines="keep")
case("blank_kept_crlf", "a,b\r\n\r\n1,2\r\n", blank_lines="keep")
case("blank_of_spaces", "a,b\n  \n1,2\n")
case("blank_of_spaces_one_column", "a\nx\n  \n")
case("trim_text", "a,b\n x ,\t y z\t\n\" q \" , \"r,s\" \n", trim="true")
case("trim_missing", "a,b\n  ,x\n \"\" ,y\n", trim="true")
case("padded_numbers", "a,b\n   1,  2.5 \n\" 3 \",4\n")
case("padded_null", "a,b\n           NA,x\n1,y\n")

# Missing values.
case("nulls_default", "a,b\n1,NA\nNA,null\n,N/A\nNULL,x\n")
case("nulls_told", "a,b\n-,-\n1,x\n", nulls="-")
case("nulls_told_empty_list_item", "a,b\n1,?\n2,\n", nulls="?,9999")
case("nulls_like_numbers", "a,b\n1,2\n9999,3\n", nulls="9999")
case("nulls_by_column", "a,b\nx,x\ny,y\n", nulls="x")
case("nulls_quoted", 'a,b\n"NA",1\nNA,"NA"\n', nulls="NA")
case("nulls_all", "a,b\n,NA\n,NA\n")

# Numbers.
case("int_ends", "a\n9223372036854775807\n-9223372036854775808\n")
case("int_beyond", "a,b\n9223372036854775808,1\n1,2\n")
case("int_signs", "a\n+1\n-0\n007\n")
case("int_and_float", "a\n1\n2.5\n")
case("int_inexact_and_float", "a\n9007199254740993\n2.5\n")
case("int_exact_and_float", "a\n9007199254740992\n2.5\n")
case("float_forms", "a\n1.\n.5\n1e5\n-1E-3\n+2.5\n1e400\n1e-400\n")
case("float_special", "a\ninf\n-inf\nNaN\n-0.0\ninfinity\n")
case("float_shortest", "a\n0.1\n0.30000000000000004\n5e-324\n1.7976931348623157e308\n")
case("hex_is_text", "a\n0x10\n")
case("underscores_are_text", "a\n1_000\n")
case("thousands_comma", 'a,b\n"1,234","1,234,567.5"\n12,0.5\n', thousands=",")
case("thousands_wrong_groups", 'a\n"1,23"\n', thousands=",")
case("decimal_comma", "a;b\n1,5;1.234,5\n2;-0,5\n", delimiter=";", decimal=",", thousands=".")
case("decimal_comma_point_is_text", "a;b\n1.5;2\n", delimiter=";", decimal=",")
case("thousands_space", "a;b\n1 234;5\n", delimiter=";", thousands=" ")
case("thousands_apostrophe", "a,b\n1'234'567,5\n", thousands="'")

# Truth, dates, types.
case("bool_default", "a,b\ntrue,TRUE\nFalse,x\n")
case("bool_told", "a,b\nyes,1\nno,0\n", true_values="yes,1", false_values="no,0")
case("bool_mixed", "a\ntrue\n1\n")
case("date_iso", "a,b\n2020-02-29,2020-02-29 12:30\n1969-12-31,2020-01-01T00:00:00.5Z\n")
case("date_and_timestamp", "a\n2020-01-01\n2020-01-01 10:00\n")
case("date_impossible", "a\n2021-02-29\n")
case("date_german", "a,b\n31.12.2020,1\n1.2.2021,2\n", date_formats="%d.%m.%Y")
case("date_american", "a\n12/31/2020\n", date_formats="%m/%d/%Y")
case("date_two_formats", "a\n12/31/2020\n31.12.2020\n", date_formats="%m/%d/%Y,%d.%m.%Y")
case("timestamp_told", "a\n31.12.2020 23:59:59\n31.12.2020 00:00:01\n", timestamp_formats="%d.%m.%Y %H:%M:%S")
case("date_format_wrong", "a\n1\n", date_formats="%Q")
case("types_told", "k,v\n010121,1\n2,x\n", types="k=TEXT,v=VARCHAR")
case("types_misfit", "k,v\n1,2\nx,3\n", types="k=INT")
case("types_unknown_column", "k,v\n1,2\n", types="w=INT")
case("all_text", "a,b,c\n 1 ,NA,\n007,\"2\",\"\"\n", all_text="true")
case("mixed_is_text", "a\n1\nx\n")

# Columns.
case("columns_some", "a,b,c\n1,2,3\n", columns="c,a")
case("columns_unknown", "a,b\n1,2\n", columns="d")
case("file_column_taken", "a,b\n1,2\n", file_column="a")

# Encodings.
case("latin1", "a,b\nCôte,1\n".encode("latin1"), encoding="latin1")
case("latin1_untold", "a,b\nx,1\nCôte,2\n".encode("latin1"))
case("latin1_replaced", "a,b\nx,1\nCôte,2\n".encode("latin1"), replace_undecodable="true")
case("latin1_header", "é,b\n1,2\n".encode("latin1"))
case("latin1_delimiter", "a§b\n1§2\n".encode("latin1"), encoding="latin1", delimiter="§")
case("utf16le_bom", "a,b\né,1\n".encode("utf-16"))
case("utf16be_told", "a,b\né,\"1\n2\"\n".encode("utf-16-be"), encoding="utf-16be")
case("utf16_cr", "a,b\ré,2\r".encode("utf-16"))
case("utf16_odd", "a,b\né,1\n".encode("utf-16") + b"x")
case("shift_jis", "a|b\n表|1\n".encode("shift_jis"), encoding="shift_jis", delimiter="|")
case("windows1252", b"a,b\n\x80,\x93x\x94\n", encoding="windows-1252")
case("encoding_unknown", "a,b\n1,2\n", encoding="klingon")

# Stray quotes and other damage.
case("quote_unclosed", 'a,b\n1,2\n3,"4\n5,6\n')
case("quote_unclosed_header", 'a,"b\n1,2\n')
case("quote_stray_opening", 'a,b\n"1,2\n3,"4"\n')
case("quote_stray_inside", 'a,b\n"x "y" z",2\n')
case("quote_stray_closing", 'a,b\nx",2\n3,4\n')
case("quote_unclosed_last", 'a,b\n1,2\n3,"')
case("quote_stray_opening_lenient", 'a,b\n"1,2\n3,"4"\n"5,"6"\n', stray_quotes="true")
case("quote_stray_inside_lenient", 'a,b\n"x "y" z",2\n"5" pipe",3\n""q, r",4\n', stray_quotes="true")
case("quote_unclosed_lenient", 'a,b\n1,2\n3,"4\n5,6\n', stray_quotes="true")
for how in ["skip", "1", "0"]:
    case(f"bad_rows_{how}", 'a,b\n1,2\nx,3\n4\n5,6\n', types="a=INT", on_bad_row=how)
case("bad_rows_unclosed", 'a,b\n1,"x\n2,y\n3,z\n', on_bad_row="skip")
case("bad_rows_ragged_truncate", "a,b\n1,2\n3\n4,5,6\n", on_bad_row="skip", ragged="fill")

# The sniffer.
for name, delimiter in [("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("pipe", "|"), ("comma_space", ", ")]:
    rows = [["id", "name", "price"]] + [[str(i), f"thing {i}", f"{i}.5"] for i in range(5)]
    case(f"sniff_{name}", "\n".join(delimiter.join(row) for row in rows) + "\n", sniff="true")
case("sniff_decimal_commas", "id;price;n\n1;1,5;2\n2;2,5;3\n3;3,5;4\n", sniff="true")
case("sniff_no_header", "1,2.5,x\n2,3.5,y\n3,4.5,z\n", sniff="true")
case("sniff_text_header", "name,town\nAnna,Bonn\nBert,Berlin\n", sniff="true")
case("sniff_single_quotes", "a,b\n'x,y',1\n'z,w',2\n", sniff="true")
case("sniff_escape", 'a,b\n"x\\",y",1\n"z\\"",2\n', sniff="true")
case("sniff_preamble", "Sales of May\n\nid,price\n1,2.5\n2,3.5\n3,4.5\n", sniff="true")
case("sniff_preamble_padded", "Title,,\n,,\nid,name,price\n1,x,2.5\n2,y,3.5\n", sniff="true")
case("sniff_overruled", "id;name,x\n1;2,y\n2;3,z\n", sniff="true", delimiter=",")
case("sniff_one_column", "name\nAnna\nBert\n", sniff="true")
case("sniff_cr", "a,b\r1,2\r3,4\r", sniff="true")
case("sniff_empty", "", sniff="true")
case("sniff_header_only", "a,b,c\n", sniff="true")
case("sniff_quoted_line_breaks", 'a;b\n"x\ny;z";1\n"u,v\n";2\n', sniff="true")

if __name__ == "__main__":
    for old in [*HERE.glob("*.csv"), *HERE.glob("*.options")]:
        old.unlink()
    for name, (data, options) in CASES.items():
        (HERE / f"{name}.csv").write_bytes(data)
        if options:
            lines = "".join(f"{key}={value}\n" for key, value in options.items())
            (HERE / f"{name}.options").write_bytes(lines.encode())
    for golden in HERE.glob("*.golden"):
        if golden.stem not in CASES:
            golden.unlink()
    print(len(CASES), "cases")
