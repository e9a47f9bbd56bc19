import django.db.models.deletion
from django.db import migrations, models


def out_of_the_heads(apps, schema_editor):
    using = schema_editor.connection.alias
    if schema_editor.connection.vendor == 'postgresql':  # a sync that runs meanwhile waits; SQLite lets nobody write
        schema_editor.execute('LOCK TABLE account_heads IN ACCESS EXCLUSIVE MODE')
    heads = apps.get_model('portfolio', 'AccountHead').objects.using(using).filter(account__isnull=False)
    memories = apps.get_model('portfolio', 'AccountMemory').objects.using(using)
    memories.bulk_create(
        (memories.model(head_id=pk, content=text) for pk, text in heads.values_list('pk', 'section_digests')),
        batch_size=500,
    )


def into_the_heads(apps, schema_editor):
    using = schema_editor.connection.alias
    heads = apps.get_model('portfolio', 'AccountHead').objects.using(using)
    for pk, text in apps.get_model('portfolio', 'AccountMemory').objects.using(using).values_list('pk', 'content'):
        heads.filter(pk=pk).update(section_digests=text)


class Migration(migrations.Migration):

    dependencies = [
        ('portfolio', '0010_asked_since'),
    ]

    operations = [
        migrations.CreateModel(
            name='AccountMemory',
            fields=[
                ('head', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='memory', serialize=False, to='portfolio.accounthead')),
                ('content', models.TextField(default='{}')),
            ],
            options={
                'verbose_name_plural': 'account memories',
                'db_table': 'account_memories',
            },
        ),
        migrations.RunPython(out_of_the_heads, into_the_heads),
        migrations.RemoveField(
            model_name='accounthead',
            name='section_digests',
        ),
    ]
