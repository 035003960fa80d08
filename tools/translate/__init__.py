"""Other languages: from the English notebooks and PO files to notebooks, by rule.

    make translate                   # update the PO files, build the notebooks of each language
    make refresh NB="notebooks/zh/*"   # then execute what was built

One message is a heading, a paragraph, a list item, a row of a table or a folded block's title.
Code cells stay the same, character for character; what they write into pictures is translated
where it is drawn. A language is a folder of PO files in `translations/` and its name here.
"""

LANGUAGES = ["zh"]
